"""The two ways a worker is asked to stop, the run folder's ``stop`` file and SIGTERM, as one question."""

from __future__ import annotations

import signal
from types import FrameType

from workbench.runs.folder import RunFolder


class Stopped(BaseException):
    """The worker was asked to stop before its training began: nothing is wrong, and nothing is to be saved."""


class StopRequest:
    """Whether somebody asked; installs the handler of SIGTERM, which only takes note."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._signalled = False

    def listen(self) -> None:
        """From now on SIGTERM and Ctrl-C ask instead of ending the process."""
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self._signalled = True

    def made(self) -> bool:
        return self._signalled or self._folder.stop_requested()

    def obey(self) -> None:
        """Raise `Stopped` if somebody asked."""
        if self.made():
            raise Stopped
