"""A server over scripted services, asked in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_services import FakeRuns, fake_services
from fastapi.testclient import TestClient

from workbench.home import Home
from workbench.services import Services
from workbench.web import ServeOptions, build_app

ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture
def fakes(tmp_path: Path) -> tuple[Services, FakeRuns]:
    return fake_services(Home(tmp_path / "home"))


@pytest.fixture
def client(fakes: tuple[Services, FakeRuns]) -> Iterator[TestClient]:
    with TestClient(build_app(fakes[0], ServeOptions()), base_url=ADDRESS) as client:
        yield client


@pytest.fixture
def runs(fakes: tuple[Services, FakeRuns]) -> FakeRuns:
    return fakes[1]
