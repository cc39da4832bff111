"""Numbers as people read them."""

from __future__ import annotations

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def short(number: float) -> str:
    """Three digits and a unit: 134,515,008 is ``135M``."""
    for size, unit in _UNITS:
        if number >= size * 0.9995:
            scaled = number / size
            digits = 0 if scaled >= 100 else 1 if scaled >= 10 else 2
            return f"{scaled:.{digits}f}{unit}"
    return f"{number:,.0f}"


def share(part: int, whole: int) -> str:
    """`part` of `whole` in per cent, with as many digits as tell it apart from nothing."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return f"{percent:.1f} %" if percent >= 10 else f"{percent:.2f} %" if percent >= 0.1 else f"{percent:.3g} %"


def size(number: float) -> str:
    """Bytes with a decimal unit: ``98 MB``."""
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= limit:
            scaled = number / limit
            return f"{scaled:.0f} {unit}" if scaled >= 10 else f"{scaled:.1f} {unit}"
    return f"{number:.0f} bytes"
