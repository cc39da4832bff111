"""Importing torch's libraries without what they import merely because it is installed.

transformers and peft look which packages there are and load them: bitsandbytes alone brings torch's compiler, datasets
brings pandas and pyarrow. Together that is four of ten seconds at the start of a process, and 130 MB for as long as it
lives, for packages that most runs never use. Losses of object detection bring scipy besides.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """What is imported within finds these packages absent, unless they are loaded already; later they can be had."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: the import system's word for absent
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
