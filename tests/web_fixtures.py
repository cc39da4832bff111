"""Fixtures: a server over scripted services, asked in this process. Heavy imports happen in the fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from workbench.home import Home

if TYPE_CHECKING:
    from fake_services import FakeRuns
    from fastapi.testclient import TestClient

    from workbench.services import Services

ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture(scope="session")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Services, FakeRuns]:
    """Services with scripted runs, and the runs."""
    from fake_services import fake_services

    return fake_services(Home(tmp_path_factory.mktemp("served")))


@pytest.fixture(scope="session")
def client(fakes: tuple[Services, FakeRuns]) -> Iterator[TestClient]:
    """The server, asked without a network; one for all tests, since building it takes a second."""
    from fastapi.testclient import TestClient

    from workbench.web import ServeOptions, build_app

    with TestClient(build_app(fakes[0], ServeOptions()), base_url=ADDRESS) as client:
        yield client


@pytest.fixture
def runs(fakes: tuple[Services, FakeRuns]) -> FakeRuns:
    """The scripted runs behind `client`, none at first."""
    fakes[1].runs.clear()
    return fakes[1]
