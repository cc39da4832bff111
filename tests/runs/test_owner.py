"""One process owns a home; a second one is refused and told who the first is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.runs.owner import announce, own, owner_of

OWN = (
    "import sys; from pathlib import Path; from workbench.home import Home; from workbench.runs.owner import own\n"
    "with own(Home(Path(sys.argv[1]))): print('owns', flush=True); sys.stdin.read()"
)


def test_a_second_owner_is_refused_and_told_the_first(home: Home) -> None:
    with own(home) as owner:
        assert owner_of(home) == owner
        with pytest.raises(WorkbenchError, match=f"process id {os.getpid()}"), own(home):
            pass
        announce(home, "http://127.0.0.1:7860")
        with pytest.raises(WorkbenchError, match=r"the server at http://127\.0\.0\.1:7860"), own(home):
            pass
        found = owner_of(home)
        assert found is not None
        assert found.address == "http://127.0.0.1:7860"
    assert owner_of(home) is None
    with own(home):
        pass


def test_an_owner_that_was_killed_owns_nothing(home: Home) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWN, home.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"owns\n"
        found = owner_of(home)
        assert found is not None
        assert found.pid == other.pid
        with pytest.raises(WorkbenchError, match=str(other.pid)), own(home):
            pass
        other.kill()
    assert home.server.exists()  # it could not clean up
    assert owner_of(home) is None
    with own(home):
        pass


def test_nobody_announces_for_another(home: Home) -> None:
    announce(home, "http://somewhere")
    assert owner_of(home) is None
