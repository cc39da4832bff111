"""Lets a model's file go from memory once its weights lie elsewhere.

Weights are read by mapping their file; what was touched of it counts as this process's memory, for a small model as
much again as the weights themselves. The system is asked to take the pages back: what is still needed of them is read
again from its cache, and pages that were written to stay.
"""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

_PAGEOUT = 21
"""``MADV_PAGEOUT`` of Linux 5.4 and later; others refuse it, and nothing happens."""


def release_pages(folder: Path) -> int:
    """Give back what is mapped of the files in `folder`; the bytes that were asked about."""
    asked = 0
    with contextlib.suppress(OSError, AttributeError):
        madvise = ctypes.CDLL(None, use_errno=True).madvise
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            span, *_, path = line.split(maxsplit=5)
            if not path.startswith(f"{folder.resolve()}/"):
                continue
            start, end = (int(edge, 16) for edge in span.split("-"))
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _PAGEOUT)
            asked += end - start
    return asked
