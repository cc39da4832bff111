"""A curve in the terminal: braille dots, two by four to a character, with the figures of its axes beside it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Point = tuple[float, float]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a braille character, by row and column."""
_BLANK = 0x2800
_LABEL = 8
"""Characters in front of the curve."""


@dataclass
class Canvas:
    """`width` by `height` characters to draw dots on; the origin is at the bottom left."""

    width: int
    height: int
    _cells: dict[tuple[int, int], int] = field(default_factory=dict)

    def dot(self, x: int, y: int) -> None:
        """Set one dot, `x` below 2·width and `y` below 4·height."""
        row = self.height * 4 - 1 - y
        place = (row // 4, x // 2)
        self._cells[place] = self._cells.get(place, 0) | _DOTS[row % 4][x % 2]

    def line(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Set every dot from `start` to `end`."""
        steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        for step in range(steps + 1):
            share = step / steps
            self.dot(round(start[0] + share * (end[0] - start[0])), round(start[1] + share * (end[1] - start[1])))

    def rows(self) -> list[str]:
        """The drawing, the topmost row first."""
        return [
            "".join(chr(_BLANK + self._cells.get((row, column), 0)) for column in range(self.width)).rstrip(chr(_BLANK))
            for row in range(self.height)
        ]


def chart(
    points: Sequence[Point], width: int = 72, height: int = 10, shown: Callable[[float], str] = "{:g}".format
) -> str:
    """`points`, which rise in x, as lines of text with the extremes of both axes; nothing for fewer than two.

    `shown` says how the ends of the x axis are written.
    """
    if len(points) < 2:
        return ""
    canvas = Canvas(max(8, width - _LABEL), height)
    (left, right), (low, high) = _span([x for x, _ in points]), _span([y for _, y in points])
    across, up = 2 * canvas.width - 1, 4 * height - 1
    places = [(round((x - left) / (right - left) * across), round((y - low) / (high - low) * up)) for x, y in points]
    for start, end in pairwise(places):
        canvas.line(start, end)
    labels = {0: f"{high:.4g}", height - 1: f"{low:.4g}"}
    drawn = [f"{labels.get(row, ''):>{_LABEL - 2}} ⎸{text}" for row, text in enumerate(canvas.rows())]
    ends = shown(left).ljust(canvas.width - len(shown(right))) + shown(right)
    return "\n".join([*drawn, " " * _LABEL + ends])


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The least and the largest of `values`, never the same."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def smoothed(values: Sequence[float], weight: float = 0.6) -> list[float]:
    """An exponential mean without the bias of its start."""
    mean = mass = 0.0
    found = []
    for value in values:
        mean, mass = weight * mean + (1 - weight) * value, weight * mass + (1 - weight)
        found.append(mean / mass)
    return found
