"""Lets the part of a model's file that a tensor lies in go from memory, once its values lie elsewhere.

Weights are read by mapping their file; what was touched of it counts as this process's memory, for a small model as
much again as the weights themselves. Linux forgets pages of a file at once when it is told to.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

_MAPS = Path("/proc/self/maps")


class FilePages:
    """The files that this process has mapped for itself, as they are when this is made; none where that is unknown."""

    def __init__(self) -> None:
        lines = _MAPS.read_text(encoding="utf-8").splitlines() if _MAPS.exists() else []
        self._spans = [span for line in lines if (span := _file_span(line))]
        self._libc = ctypes.CDLL(None) if self._spans else None

    def release(self, tensor: Tensor) -> bool:
        """Forget the whole pages that `tensor` fills, which nobody may need any more; whether they were a file's.

        Should they be read again after all, they hold what the file says: what was written there since is lost.
        """
        page = mmap.PAGESIZE
        start = -(-tensor.data_ptr() // page) * page
        end = (tensor.data_ptr() + tensor.nbytes) // page * page
        if (
            tensor.device.type != "cpu"
            or end <= start
            or not any(low <= start < end <= high for low, high in self._spans)
        ):
            return False
        with contextlib.suppress(AttributeError):  # another C library
            assert self._libc is not None
            self._libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)
        return True


def release_replaced(before: Sequence[Tensor], model: nn.Module) -> None:
    """Forget the pages of those of the tensors that `model` had `before` in whose place it now has others."""
    kept = {parameter.data_ptr() for parameter in model.parameters()}
    pages = FilePages()
    for tensor in before:
        if tensor.data_ptr() not in kept:
            pages.release(tensor)


def _file_span(line: str) -> tuple[int, int] | None:
    """Where a line of the list of mappings begins and ends, if it is a private one of an ordinary file."""
    span, rights, _, _, inode, *path = line.split(maxsplit=5)
    if not path or inode == "0" or not rights.endswith("p") or "x" in rights:
        return None
    start, end = (int(edge, 16) for edge in span.split("-"))
    return start, end
