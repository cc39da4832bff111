"""Where the trained parameters sit: a bar for each layer, its modules on top of one another. An image of the count."""

from __future__ import annotations

import html
from collections.abc import Sequence

from workbench.calculator.report import LayerShare
from workbench.numbers import short

WIDTH, HEIGHT, GAP = 1000, 180, 0.25
"""Of the drawing, in its own units; `GAP` is the share of a bar's place that stays empty."""
COLOURS = 8
"""So many classes ``lw-module-0`` … have a colour each."""


def layer_chart(shares: Sequence[LayerShare]) -> str:
    """The chart with its legend; a sentence where nothing is trained in a module."""
    if not shares:
        return '<p class="lw-note">This method trains nothing beside a module of the base model.</p>'
    layers = sorted({share.layer for share in shares}, key=lambda layer: (layer is None, layer or 0))
    names = list(dict.fromkeys(share.name for share in shares))
    tallest = max(sum(each.parameters for each in shares if each.layer == layer) for layer in layers) or 1
    return (
        f'<figure class="lw-layers"><svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{_spoken(shares, len(layers), tallest)}">{_bars(shares, layers, names, tallest)}</svg>'
        f"<figcaption>{_axis(layers)}{_legend(shares, names)}</figcaption></figure>"
    )


def _bars(shares: Sequence[LayerShare], layers: Sequence[int | None], names: Sequence[str], tallest: int) -> str:
    """One path a name: many rectangles are one element, so that 80 layers redraw at once."""
    step = WIDTH / len(layers)
    places = {layer: index * step + step * GAP / 2 for index, layer in enumerate(layers)}
    tops = dict.fromkeys(layers, float(HEIGHT))
    paths: dict[str, list[str]] = {name: [] for name in names}
    for share in shares:
        height = HEIGHT * share.parameters / tallest
        tops[share.layer] -= height
        left, width = places[share.layer], step * (1 - GAP)
        paths[share.name].append(f"M{left:.1f} {tops[share.layer]:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z")
    return "".join(
        f'<path class="lw-module-{index % COLOURS}" d="{"".join(path)}"><title>{html.escape(name)}</title></path>'
        for index, (name, path) in enumerate(paths.items())
    )


def _axis(layers: Sequence[int | None]) -> str:
    numbered = [layer for layer in layers if layer is not None]
    if not numbered:
        return ""
    outside = " · outside the layers" if len(numbered) < len(layers) else ""
    return f'<div class="lw-axis"><span>layer {numbered[0]}</span><span>layer {numbered[-1]}{outside}</span></div>'


def _legend(shares: Sequence[LayerShare], names: Sequence[str]) -> str:
    totals = {name: sum(share.parameters for share in shares if share.name == name) for name in names}
    keys = (
        f'<span><span class="lw-key lw-module-{index % COLOURS}"></span>{html.escape(name)} {short(total)}</span>'
        for index, (name, total) in enumerate(totals.items())
    )
    return f'<div class="lw-legend-row">{"".join(keys)}</div>'


def _spoken(shares: Sequence[LayerShare], bars: int, tallest: int) -> str:
    total = sum(share.parameters for share in shares)
    return f"{total:,} trained parameters in {bars} bars, one a layer; the tallest is {tallest:,}"
