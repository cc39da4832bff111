"""How glibc hands out a step's memory. A step allocates and frees the same large tensors over and over.

Left to itself the heap fragments until it is about a third larger than what lies in it, because the size from which a
block is mapped by itself climbs with every block that is freed; so it is fixed. Other C libraries are left alone.
"""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENAS = -1, -3, -8
"""Names of glibc's ``mallopt``."""


def keep_tidy() -> None:
    """For speed: all but the largest blocks come from the heap, which keeps what was freed for the next step."""
    _set(_MMAP_THRESHOLD, 32 * 2**20)
    _set(_TRIM_THRESHOLD, 512 * 2**20)
    _set(_ARENAS, 1)  # what one thread has freed serves the others


def keep_small() -> None:
    """For memory: every large block is mapped by itself and given back when it is freed, so that none is left over."""
    _set(_MMAP_THRESHOLD, 4 * 2**20)


def give_back() -> None:
    """What was freed and is not needed soon goes back to the system."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _set(name: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(name, value)
