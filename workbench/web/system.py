"""The machine over HTTP: what it has, what its workers take of it, and what lies on its disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from workbench.records import Record
from workbench.runs.disk import DiskUsage
from workbench.runs.system import SystemFacts, WorkerLoad, system_facts

if TYPE_CHECKING:
    from workbench.services import Services


class AtWork(Record):
    """A run whose worker is at work on this machine."""

    id: str
    name: str
    lane: str
    load: WorkerLoad


class SystemView(Record):
    """The machine, and who is at work on it."""

    machine: SystemFacts
    workers: tuple[AtWork, ...]


def router(services: Services) -> APIRouter:
    """Both routes."""
    routes = APIRouter(prefix="/api", tags=["system"])

    @routes.get("/system")
    def system() -> SystemView:
        """Processor, memory and graphics cards at this moment, and what each worker takes."""
        active = services.runs.list("is:active is:any")
        loads = [(run, services.runs.load(run.id)) for run in active]
        workers = tuple(AtWork(id=run.id, name=run.name, lane=run.lane, load=load) for run, load in loads if load)
        return SystemView(machine=system_facts(), workers=workers)

    @routes.get("/disk")
    def disk() -> DiskUsage:
        """What takes how much under the workbench home, and what of it could go; reads every name there."""
        return services.runs.disk()

    return routes
