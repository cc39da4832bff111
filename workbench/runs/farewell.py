"""What is said of a worker that went without last words: why, as far as its exit code tells, and what to do."""

from __future__ import annotations

import signal
import time

from workbench.runs.folder import RunFolder
from workbench.runs.history import Interrupted, Signalled
from workbench.runs.summary import attempt


def obituary(folder: RunFolder, exit_code: int | None, *, began: bool) -> Interrupted:
    """The entry for a worker that ended with `exit_code` (None: unknown); `began` when it had told anything."""
    return Interrupted(
        time=time.time(), message=_reason(folder, exit_code, began), remedy=_remedy(folder), log_tail=folder.log_tail()
    )


def _reason(folder: RunFolder, exit_code: int | None, began: bool) -> str:
    killed = _killed_by_us(folder)
    if killed is not None:
        return f"The worker did not stop by itself and was killed. {killed.message}"
    when = "before it finished" if began else "before it began"
    if exit_code is None:
        return f"The worker ended {when}; it was killed, or the machine went down."
    if exit_code == -signal.SIGKILL:
        return f"The worker was killed (SIGKILL) {when}: by hand, or because memory ran out."
    if exit_code < 0:
        return f"The worker was ended by {_signal_name(-exit_code)} {when}."
    return f"The worker ended with exit code {exit_code} {when}."


def _killed_by_us(folder: RunFolder) -> Signalled | None:
    history = folder.history
    launched = attempt(history)
    since = history[history.index(launched) :] if launched is not None else ()
    return next((entry for entry in since if isinstance(entry, Signalled) and entry.signal == "SIGKILL"), None)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _remedy(folder: RunFolder) -> str:
    saved = folder.checkpoints()
    if saved:
        return f"Resume it: it goes on from {saved[-1].name}. The end of its log may say more."
    return "Look at the end of its log, then resume it: it starts from the beginning."
