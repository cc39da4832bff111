"""What the rows of a file are like, gathered while they stream by: repeats, lengths, turns, languages, first words.

Holds a few dozen bytes a row, never the row. Knows no tokenizer; what the rows become in tokens is counted in `tokens`.
"""

from __future__ import annotations

import string
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import quantiles

from workbench.formats import Reading
from workbench.formats.wording import warning
from workbench.records import Record
from workbench.records.datasets import RowProblem

_SHOWN = 20
_BINS = 20
_BETWEEN = "\0"
"""Parts the turns of a row; no text holds it without a warning."""
_IGNORED = (string.whitespace + string.punctuation).encode()
_LOWER = bytes.maketrans(string.ascii_uppercase.encode(), string.ascii_lowercase.encode())
_FIRST_WORDS_OF = 20_000
"""Rows after which the commonest first words are known."""
_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x0370, 0x03FF, "Greek"),
    (0x0400, 0x052F, "Cyrillic"),
    (0x0590, 0x05FF, "Hebrew"),
    (0x0600, 0x077F, "Arabic"),
    (0x0900, 0x0DFF, "Indic"),
    (0x0E00, 0x0E7F, "Thai"),
    (0x3040, 0x30FF, "Kana"),
    (0x4E00, 0x9FFF, "Han"),
    (0xAC00, 0xD7AF, "Hangul"),
)


class Bin(Record):
    """One bar of a histogram."""

    start: int
    end: int
    """Not in it."""
    rows: int


class Outlier(Record):
    """A row unlike the others."""

    line: int
    reason: str


class Statistics(Record):
    """What the usable rows of a file are like."""

    characters: int
    longest: int
    """Characters of the longest row."""
    lengths: tuple[Bin, ...]
    """Rows by their characters."""
    turns: dict[int, int]
    """Rows by their number of turns; running text has none."""
    first_words: tuple[tuple[str, int], ...]
    """The commonest beginnings of answers."""
    duplicates: int
    """Rows that say exactly what an earlier row says."""
    near_duplicates: int
    """Rows that differ from an earlier one only in case, spaces and punctuation."""
    scripts: dict[str, int]
    """Rows by the script they are mostly in."""
    outliers: tuple[Outlier, ...]


class Survey:
    """Fed row by row; says of each whether it was there before, and at the end what all were like."""

    def __init__(self) -> None:
        self._normal: dict[int, int] = {}
        """The first row of each normal form: its place in the two arrays below."""
        self._exact = array("q")
        self._repeated: set[int] = set()
        self._lines = array("q")
        self._lengths = array("q")
        self._turns = array("i")
        self._first_words: Counter[str] = Counter()
        self._foreign: dict[str, list[int]] = {}
        self._duplicates = 0
        self._near_duplicates = 0

    @property
    def rows(self) -> int:
        """How many were counted."""
        return len(self._lines)

    def add(self, row: Reading) -> RowProblem | None:
        """Count `row`, which is used; the warning that it repeats an earlier one, if it does."""
        line, said, text, _, _ = row
        words = _BETWEEN.join([turn[1] for turn in said]) if text is None else text
        plain = words.isascii()
        if not plain:
            self._note_script(script_of(words), line)
        if len(self._lengths) < _FIRST_WORDS_OF:
            last = words.rpartition(_BETWEEN)[2]
            self._first_words[" ".join(last[:60].split(None, 2)[:2])] += 1
        repeat = self._repeat(line, words, plain)
        self._lines.append(line)
        self._lengths.append(len(words) - max(0, len(said) - 1))
        self._turns.append(len(said))
        return repeat

    def _note_script(self, script: str, line: int) -> None:
        if script != "Latin":
            self._foreign.setdefault(script, []).append(line)

    def _repeat(self, line: int, words: str, plain: bool) -> RowProblem | None:
        """Rows of one normal form are compared exactly; so only the normal form is looked up for every row."""
        exact = hash(words)
        self._exact.append(exact)
        encoded = words.encode() if plain else words.lower().encode("utf-8", "replace")
        normal = hash(encoded.translate(_LOWER, _IGNORED))
        place = self._normal.setdefault(normal, len(self._lines))
        if place == len(self._lines):
            return None
        first = self._lines[place]
        same = exact == self._exact[place] or exact in self._repeated
        self._repeated.add(exact)
        if same:
            self._duplicates += 1
            return _repeats(line, first, "duplicate", "says exactly what")
        self._near_duplicates += 1
        return _repeats(line, first, "near-duplicate", "differs only in case, spaces and punctuation from")

    def statistics(self) -> Statistics:
        """What the rows so far were like."""
        return Statistics(
            characters=sum(self._lengths),
            longest=max(self._lengths, default=0),
            lengths=histogram(self._lengths),
            turns=dict(sorted(Counter(self._turns).items())),
            first_words=tuple(self._first_words.most_common(_SHOWN)),
            duplicates=self._duplicates,
            near_duplicates=self._near_duplicates,
            scripts=self._scripts(),
            outliers=(*self._length_outliers(), *self._script_outliers()),
        )

    def _scripts(self) -> dict[str, int]:
        foreign = {script: len(lines) for script, lines in self._foreign.items()}
        counted = {"Latin": len(self._lines) - sum(foreign.values()), **foreign}
        return dict(sorted(((name, rows) for name, rows in counted.items() if rows), key=lambda found: -found[1]))

    def _length_outliers(self) -> Iterator[Outlier]:
        """Rows beyond three times the middle half's spread from it (Tukey 1977, section 2D: far out)."""
        if len(self._lengths) < 8:
            return
        low, _, high = quantiles(self._lengths, n=4)
        bound = high + 3 * max(high - low, 20)
        far = sorted(
            (row for row in zip(self._lengths, self._lines, strict=True) if row[0] > bound), key=lambda row: -row[0]
        )
        for length, line in far[:_SHOWN]:
            yield Outlier(
                line=line, reason=f"{length:,} characters; three quarters of the rows have at most {high:,.0f}"
            )

    def _script_outliers(self) -> Iterator[Outlier]:
        """Rows in a script that fewer than one in fifty is in."""
        rows = len(self._lines)
        for script, lines in self._foreign.items():
            if len(lines) * 50 < rows:
                yield from (Outlier(line=line, reason=f"mostly in {script} script") for line in lines[:_SHOWN])


def _repeats(line: int, first: int, kind: str, how: str) -> RowProblem:
    return warning(line, kind, f"The row {how} row {first:,}.", "Remove it, unless it is meant to count twice.")


def script_of(words: str) -> str:
    """The script that most letters among the first of `words` are in."""
    found: Counter[str] = Counter()
    for mark in words[:400]:
        if mark.isalpha():
            code = ord(mark)
            found[next((name for low, high, name in _SCRIPTS if low <= code <= high), "Latin")] += 1
    return found.most_common(1)[0][0] if found else "Latin"


def histogram(lengths: Sequence[int], bins: int = _BINS) -> tuple[Bin, ...]:
    """`lengths` in bars of one width, from the shortest to the 99th percentile; the last bar takes the rest."""
    if not lengths:
        return ()
    ordered = sorted(lengths)
    low, high = ordered[0], ordered[int(0.99 * (len(ordered) - 1))]
    width = max(1, -(-(high - low + 1) // bins))
    counted = Counter(min((length - low) // width, bins - 1) for length in ordered)
    bars = [
        Bin(start=low + place * width, end=low + (place + 1) * width, rows=counted.get(place, 0))
        for place in range(max(counted) + 1)
    ]
    return (*bars[:-1], bars[-1].model_copy(update={"end": max(bars[-1].end, ordered[-1] + 1)}))
