"""FinLoRA's rows: ``context`` holds instruction and input in one text, ``target`` the answer."""

from __future__ import annotations

from typing import ClassVar

from workbench.formats import FORMATS
from workbench.formats.pairs import Pair


@FORMATS.add("context_target")
class ContextTarget(Pair):
    """The context is the user's turn, the target the answer."""

    kind: ClassVar[str] = "context_target"
    title: ClassVar[str] = "context and target"
    order: ClassVar[int] = 50
    example: ClassVar[str] = "context, target"
    columns: ClassVar[tuple[tuple[str, str], ...]] = (("context", "target"),)
