"""A user's own regular expression, searched for in answers without ever hanging.

The package regex can be given a time limit, which Python's own re cannot: some expressions take longer than anyone
lives on a text of fifty letters.
"""

from __future__ import annotations

from typing import Any

from workbench.errors import WorkbenchError

LONGEST = 500
SEARCH_SECONDS = 0.25
"""One search may take this long."""
MOST_TIMEOUTS = 3
"""After so many the expression is given up."""
FIELD = "scoring.expression"


class Expression:
    """One expression; case matters unless it begins with ``(?i)``."""

    def __init__(self, pattern: str) -> None:
        """Raises `WorkbenchError` for one that cannot be read."""
        import regex

        if len(pattern) > LONGEST:
            raise WorkbenchError(
                f"The expression is longer than {LONGEST} characters.", remedy="Write a shorter one.", field=FIELD
            )
        try:
            self._compiled: Any = regex.compile(pattern)
        except (regex.error, RecursionError, OverflowError) as error:
            raise WorkbenchError(
                f"This is no regular expression: {error}.",
                remedy="Correct it; put a backslash before a bracket that is meant as a character.",
                field=FIELD,
            ) from error
        self.timeouts = 0
        """Answers on which it took too long; they count as not matching."""

    def found_in(self, text: str) -> bool:
        """Whether it is found anywhere in `text`; False when that takes too long. Raises nothing."""
        if self.timeouts >= MOST_TIMEOUTS:
            return False
        try:
            return self._compiled.search(text, timeout=SEARCH_SECONDS, concurrent=True) is not None
        except TimeoutError:
            self.timeouts += 1
            return False

    @property
    def problem(self) -> str:
        """Why its figure is not to be trusted; empty when it is."""
        if not self.timeouts:
            return ""
        return "The expression took too long on some answers, which count as not matching: simplify it."
