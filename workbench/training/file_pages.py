"""Lets the part of a model's file that a tensor lies in go from memory, once its values lie elsewhere.

Weights are read by mapping their file; what was touched of it counts as this process's memory, for a small model as
much again as the weights themselves. The system is asked to take the pages back: what is still needed of them is read
again from its cache, and pages that were written to stay.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
from functools import cache
from typing import Any

from torch import Tensor

_PAGEOUT = 21
"""``MADV_PAGEOUT`` of Linux 5.4 and later; others refuse it, and nothing happens."""


def release_pages(tensor: Tensor) -> None:
    """Give back the whole pages that `tensor` lies in."""
    page = mmap.PAGESIZE
    start = -(-tensor.data_ptr() // page) * page
    end = (tensor.data_ptr() + tensor.nbytes) // page * page
    if tensor.device.type == "cpu" and end > start and (advise := _advise()):
        advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _PAGEOUT)


@cache
def _advise() -> Any:
    """The C library's ``madvise``, where it has one."""
    with contextlib.suppress(OSError, AttributeError):
        return ctypes.CDLL(None).madvise
    return None
