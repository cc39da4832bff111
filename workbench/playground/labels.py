"""Answers as labels: when references are few distinct labels, which one an answer names, and who is taken for whom."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from workbench.records import Record

MOST_LABELS = 20
LONGEST_LABEL = 40
FEWEST_EACH = 3
"""References are labels when each comes this often on average."""
OTHER = "no label"


class Confusion(Record):
    """How often a wanted label got which answer."""

    labels: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    """A row a wanted label, a column a label that was answered; the last column is for answers that name none."""


def plain(text: str) -> str:
    """For comparison: lower case, no marks around it, single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).strip(" .,;:!?\"'“”‘’()[]*_`")


def labels_in(references: Iterable[str | None]) -> tuple[str, ...]:
    """The labels that the references are, the commonest first; none when they are not labels.

    Labels are short, at most `MOST_LABELS` different ones, two at least, and each comes `FEWEST_EACH` times on average.
    """
    given = [reference for reference in references if reference is not None]
    counts = Counter(map(plain, given))
    few = 2 <= len(counts) <= MOST_LABELS and len(given) >= FEWEST_EACH * len(counts)
    if not few or any(not label or len(label) > LONGEST_LABEL for label in counts):
        return ()
    return tuple(label for label, _ in counts.most_common())


def predicted(answer: str, labels: Sequence[str]) -> str | None:
    """The label that `answer` names, None for none: it is one, or begins with one, or holds just one as whole words."""
    said = plain(answer)
    if said in labels:
        return said
    starts = [label for label in labels if re.match(rf"{re.escape(label)}(?!\w)", said)]
    if starts:
        return max(starts, key=len)
    held = {label for label in labels if re.search(rf"(?<!\w){re.escape(label)}(?!\w)", said)}
    longest = {label for label in held if not any(label != other and label in other for other in held)}
    return longest.pop() if len(longest) == 1 else None


def confusion(pairs: Iterable[tuple[str, str]], labels: Sequence[str]) -> Confusion:
    """The table of (reference, answer) pairs."""
    counts = Counter((predicted(reference, labels), predicted(answer, labels)) for reference, answer in pairs)
    rows = [[counts[wanted, said] for said in (*labels, None)] for wanted in labels]
    return Confusion(labels=tuple(labels), rows=tuple(map(tuple, rows)))
