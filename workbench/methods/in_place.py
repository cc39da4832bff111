"""What the methods share that train the base model's own tensors in place and save those that changed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from workbench.errors import WorkbenchError
from workbench.methods.whole import Whole
from workbench.task import Task

_REASON = "It trains the base weights themselves, and packed weights cannot learn."


class InPlace(Whole):
    """Some of the base model's parameters, all others frozen."""

    in_place: ClassVar[bool] = True
    unpacked: ClassVar[Mapping[str, str]] = dict.fromkeys(("int8", "nf4", "nf4-double"), _REASON)

    @abstractmethod
    def trained(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the base model's parameters, by their names in its order, that are trained."""

    def peft_config(self, task: Task) -> Any:
        raise WorkbenchError(
            f"{self.title} trains the base model itself and puts no adapter onto it.",
            remedy="Choose a method that trains an adapter.",
            field="method.kind",
        )
