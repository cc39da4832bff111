"""What other ways of adapting the same model would train, with the choice at hand among them."""

from __future__ import annotations

import html
from collections.abc import Sequence

from workbench.calculator.comparison import Comparison
from workbench.numbers import share


def comparison_table(chosen: str, trainable: int, base: int, others: Sequence[Comparison]) -> str:
    """A table from the most to the least that is trained; the choice stands in it as a line of its own."""
    rows = [*((other.label, other.trainable, False) for other in others), (chosen, trainable, True)]
    rows.sort(key=lambda row: -row[1])
    body = "".join(_row(label, number, mine, trainable, base) for label, number, mine in rows)
    return (
        '<div class="lw-scroll" tabindex="0" aria-label="Beside other ways"><table class="lw-table"><thead><tr>'
        '<th scope="col">Way</th><th scope="col" class="lw-figure">Parameters</th>'
        '<th scope="col" class="lw-figure">Of the base model</th><th scope="col" class="lw-figure">Of this choice</th>'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(label: str, number: int, mine: bool, trainable: int, base: int) -> str:
    ratio = "" if mine or not trainable else f"{number / trainable:,.2f}×"
    kind = ' class="lw-mine" aria-current="true"' if mine else ""
    return (
        f'<tr{kind}><th scope="row">{html.escape(label)}</th><td class="lw-figure">{number:,}</td>'
        f'<td class="lw-figure">{share(number, base)}</td><td class="lw-figure">{ratio}</td></tr>'
    )
