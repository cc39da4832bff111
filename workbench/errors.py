"""What went wrong, and what to do next: the only errors a user ever reads.

Knows nothing of pages, processes or models. A `Problem` is one sentence of what happened and one of what to do,
with the field or the line it stands beside; a `WorkbenchError` carries one or many of them at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    message: str
    """What happened, one sentence."""
    remedy: str = ""
    """What to do next, one sentence."""
    field: str | None = None
    """The dotted path of the run config's field it stands beside, such as ``method.rank``."""
    line: int | None = None
    """The line of the file it was found in, counted from 1."""

    def __str__(self) -> str:
        place = f"{self.field}: " if self.field else f"line {self.line}: " if self.line is not None else ""
        return f"{place}{self.message}" + (f" {self.remedy}" if self.remedy else "")


class WorkbenchError(Exception):
    """A refusal or failure that a user can act on."""

    def __init__(self, message: str, *, remedy: str = "", field: str | None = None, line: int | None = None) -> None:
        self.problems: tuple[Problem, ...] = (Problem(message, remedy, field, line),)
        super().__init__(str(self.problems[0]))

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> WorkbenchError:
        """All of `problems` in one error; they are reported together, never one by one."""
        found = tuple(problems)
        error = cls(found[0].message, remedy=found[0].remedy)
        error.problems = found
        error.args = ("\n".join(map(str, found)),)
        return error

    @property
    def message(self) -> str:
        """What happened, of the first problem."""
        return self.problems[0].message

    @property
    def remedy(self) -> str:
        """What to do next, of the first problem."""
        return self.problems[0].remedy


def refuse(problems: Iterable[Problem]) -> None:
    """Raise all of `problems` at once, if there are any."""
    found = list(problems)
    if found:
        raise WorkbenchError.of(found)
