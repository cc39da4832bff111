"""What is done with runs over HTTP: their life, their labels, their checkpoints, and the queue.

Each route calls one service and returns how things stand afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import Field

from workbench.errors import WorkbenchError
from workbench.records import Record
from workbench.records.runs import Run
from workbench.runs.lanes import DeviceState
from workbench.web.api import Config
from workbench.web.runs import known_run

if TYPE_CHECKING:
    from workbench.services import Services


class LabelChanges(Record):
    """What is to be said of a run from now on; whatever is left out stays."""

    name: str | None = Field(None, max_length=200)
    note: str | None = Field(None, max_length=20_000)
    tags: tuple[str, ...] | None = None
    pin: bool | None = None
    archived: bool | None = None


class SettingChanges(Record):
    """A new run made from another: the settings to change, by dotted field."""

    changes: dict[str, Any] = Field(default_factory=dict)
    checkpoint: str = ""
    """Where a run that continues another starts from; empty for what that one learnt last."""


class QueueChanges(Record):
    """What is to hold for the queue from now on; whatever is left out stays."""

    paused: bool | None = None
    slots: int | None = None
    """Runs at once on one device, where they fit by the memory estimate."""


class Waiting(Record):
    """A run in the queue."""

    run: Run
    needs: int | None
    """Bytes of memory by the estimate; null when its base model's shape is not known."""


class QueueView(Record):
    """The queue, and the devices that it feeds."""

    waiting: tuple[Waiting, ...]
    paused: bool
    slots: int
    devices: tuple[DeviceState, ...]


def router(services: Services) -> APIRouter:
    """Every route that changes runs."""
    routes = APIRouter(prefix="/api", tags=["runs"])
    for add in (_new_runs, _life, _checkpoints):
        add(routes, services, known_run(services))
    _queue(routes, services)
    return routes


def _new_runs(routes: APIRouter, services: Services, known: Any) -> None:
    @routes.post("/runs", status_code=201)
    def submit(config: Config) -> Run:
        """Queue a run."""
        return services.submit(config)

    @routes.post("/runs/{run_id}/retry", status_code=201)
    def retry(asked: SettingChanges, found: Run = known) -> Run:
        """Queue a new run with the same settings but for `changes`, from the beginning."""
        return services.submit(services.runs.config(found.id, asked.changes))

    @routes.post("/runs/{run_id}/continue", status_code=201)
    def go_on(asked: SettingChanges, found: Run = known) -> Run:
        """Queue a new run that starts from what this one has learnt, with `changes`; it says what it continues."""
        return services.go_on(found.id, asked.changes, asked.checkpoint)


def _life(routes: APIRouter, services: Services, known: Any) -> None:
    @routes.post("/runs/{run_id}/stop")
    def stop(found: Run = known) -> Run:
        """Ask the run to save and stop."""
        return services.runs.stop(found.id)

    @routes.post("/runs/{run_id}/cancel")
    def cancel(found: Run = known) -> Run:
        """End the run this instant, without saving; what it saved before stays."""
        return services.runs.cancel(found.id)

    @routes.post("/runs/{run_id}/resume")
    def resume(found: Run = known) -> Run:
        """Go on from the newest checkpoint."""
        return services.runs.resume(found.id)

    @routes.patch("/runs/{run_id}")
    def label(changes: LabelChanges, found: Run = known) -> Run:
        """Rename, note, tag, pin or archive it."""
        return services.runs.label(found.id, **changes.model_dump(exclude_none=True))

    @routes.delete("/runs/{run_id}", status_code=204)
    def delete(found: Run = known) -> None:
        """Delete the run and everything in its folder."""
        services.runs.delete(found.id)


def _checkpoints(routes: APIRouter, services: Services, known: Any) -> None:
    @routes.delete("/runs/{run_id}/checkpoints/{name}")
    def delete_checkpoint(name: str, found: Run = known) -> Run:
        """Delete one checkpoint."""
        return services.runs.delete_checkpoint(found.id, name)

    @routes.delete("/runs/{run_id}/checkpoints")
    def thin(keep: Annotated[int, Query(ge=1, le=1000)] = 1, found: Run = known) -> Run:
        """Delete all checkpoints but the newest `keep` and the one with the best eval loss."""
        return services.runs.thin_checkpoints(found.id, keep)


def _queue(routes: APIRouter, services: Services) -> None:
    def view() -> QueueView:
        state = services.runs.queue()
        waiting = tuple(found for found in map(waits, state.ids) if found is not None)
        devices = tuple(services.runs.devices())
        return QueueView(waiting=waiting, paused=state.paused, slots=state.slots, devices=devices)

    def waits(run_id: str) -> Waiting | None:
        try:
            return Waiting(run=services.runs.get(run_id), needs=services.runs.needs(run_id))
        except WorkbenchError:
            return None  # its folder was taken away; the supervisor strikes it from the queue in its turn

    @routes.get("/queue")
    def queue() -> QueueView:
        """Which runs wait, in which order, what they need, and what the devices have."""
        return view()

    @routes.patch("/queue")
    def set_queue(changes: QueueChanges) -> QueueView:
        """Pause the queue or let it go on; say how many runs may share a device."""
        services.runs.set_queue(paused=changes.paused, slots=changes.slots)
        return view()

    @routes.put("/queue/{run_id}")
    def move(run_id: str, place: Annotated[int, Body(embed=True, ge=0)]) -> QueueView:
        """Put a run that waits at `place`, counted from 0."""
        services.runs.move(run_id, place)
        return view()
