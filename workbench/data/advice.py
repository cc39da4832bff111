"""Warnings that save a run: what the figures of a dataset say will go wrong, before anything trains."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.data.tokens import TokensReport
from workbench.formats.wording import warning
from workbench.records.datasets import RowProblem

CUT_SHARE = 0.05
FEW_VALIDATION_ROWS = 20


def advice(tokens: TokensReport, *, validation_rows: int | None = None, repeated: int = 0) -> list[RowProblem]:
    """What to look at before a run: of `tokens`, of the rows held out, and of `repeated` rows on both sides."""
    return [*_of_tokens(tokens), *_of_validation(validation_rows, repeated)]


def _of_tokens(tokens: TokensReport) -> Iterator[RowProblem]:
    usable = tokens.rows - tokens.refused_rows
    if usable and not tokens.trained_tokens:
        yield warning(
            None, "nothing-trained", "No token of the file is trained.", "Check template, answers and max length."
        )
    elif usable and tokens.trained_share > 0.995:
        yield warning(
            None,
            "all-trained",
            "Every token is trained, the questions too.",
            "Train on the assistant's answers unless that is meant.",
        )
    if usable and tokens.unended_rows > usable / 2:
        yield warning(
            None,
            "no-end",
            f"{tokens.unended_rows:,} rows end without an end-of-turn token: the model would not learn to stop.",
            "Choose a chat template that ends answers.",
        )
    if tokens.cut_rows > CUT_SHARE * usable:
        yield warning(
            None,
            "many-cut",
            f"{tokens.cut_rows:,} rows ({tokens.cut_rows / usable:.0%}) will be cut.",
            f"Raise the max length; the longest row has {tokens.longest:,} tokens.",
        )
    if tokens.refused_rows:
        yield warning(
            None,
            "template-refuses",
            f"The chat template refuses {tokens.refused_rows:,} rows.",
            "Change the order of their turns, remove them, or choose another template.",
        )
    if tokens.lossy_rows:
        yield warning(
            None,
            "lost-content",
            f"The chat template leaves out parts of {tokens.lossy_rows:,} rows.",
            "Look at such a row; choose another template if the parts matter.",
        )


def _of_validation(rows: int | None, repeated: int) -> Iterator[RowProblem]:
    if rows is not None and 0 < rows < FEW_VALIDATION_ROWS:
        yield warning(
            None,
            "few-validation-rows",
            f"Only {rows} rows are held out: their eval loss says little.",
            f"Hold out {FEW_VALIDATION_ROWS} or more.",
        )
    if repeated:
        yield warning(
            None,
            "overlap",
            f"{repeated:,} held-out rows are trained on as well: eval loss will look better than it is.",
            "Drop repeated rows, or group the split.",
        )
