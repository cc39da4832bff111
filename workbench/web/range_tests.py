"""The HTTP API of learning-rate range tests: begin one, see how it stands, end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from workbench.errors import WorkbenchError
from workbench.runs.range_tests import RangeTest
from workbench.web.api import Config, MissingError

if TYPE_CHECKING:
    from workbench.services import Services


def router(services: Services) -> APIRouter:
    """The routes, to be mounted beside those of `workbench.web.api`."""
    routes = APIRouter(prefix="/api/range-tests", tags=["range tests"])

    def known(test_id: str) -> str:
        try:
            return services.range_tests.get(test_id).id
        except WorkbenchError as error:
            raise MissingError.from_refusal(error) from error

    @routes.post("", status_code=202)
    def start(config: Config) -> RangeTest:
        """Try learning rates for a run of this config; refused while a run or another test is at work."""
        return services.find_learning_rate(config)

    @routes.get("")
    def tests() -> list[RangeTest]:
        """The last tests, the newest first."""
        return list(services.range_tests.list())

    @routes.get("/{test_id}")
    def test(test_id: str) -> RangeTest:
        """How a test stands: its phase, its curve so far, and what it suggests once it is over."""
        return services.range_tests.get(known(test_id))

    @routes.post("/{test_id}/stop")
    def stop(test_id: str) -> RangeTest:
        """Ask a test to end; asked again, it ends this instant."""
        return services.range_tests.stop(known(test_id))

    return routes
