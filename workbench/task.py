"""What a task says of itself: what the model learns to do. Knows none of them: each is a file in ``tasks/``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from workbench.part import Part
from workbench.registry import Registry


class Task(Part, ABC):
    """What the model learns to do. One file in ``tasks/``."""

    title: ClassVar[str]
    order: ClassVar[int] = 100
    peft_type: ClassVar[str]
    """peft's task type, such as ``CAUSAL_LM``."""
    kind: str

    @abstractmethod
    def load_model(self, folder: Any, **options: Any) -> Any:
        """The transformers model of this task, from a local folder. Imports transformers."""


TASKS: Registry[Task] = Registry("workbench.tasks", "task")
