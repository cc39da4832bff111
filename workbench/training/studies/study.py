"""One method's study: what it needs to be possible, what it finds in the rows, and what that does to peft's config."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from peft import get_peft_model
from peft.tuners.lora import LoraLayer
from torch import nn

from workbench.errors import Problem
from workbench.method import Method
from workbench.registry import Registry
from workbench.training.studies.findings import Findings
from workbench.training.studies.reading import Reading


class Study(ABC):
    """Reads rows with the base model before any adapter is on it."""

    def __init__(self, method: Any) -> None:
        self.method = method

    def problems(self, reading: Reading) -> Sequence[Problem]:
        """Why these rows do not do; asked before the base model is loaded."""
        return ()

    @abstractmethod
    def find(self, model: Any, modules: dict[str, nn.Module], reading: Reading) -> Findings:
        """Where the adapter of each of `modules`, those that peft would adapt in the plain `model`, begins."""

    def fit(self, peft_config: Any, findings: Findings) -> None:
        """Change peft's config as the findings want it."""
        return


STUDIES: Registry[Study] = Registry("workbench.training.studies", "study")


def study_of(method: Method) -> Study | None:
    """The study of a method that makes one."""
    return STUDIES.get(method.kind)(method) if method.studies else None


def fitted(method: Method, peft_config: Any, findings: Findings) -> Any:
    """peft's config of a method whose study has been made."""
    study = study_of(method)
    assert study is not None
    study.fit(peft_config, findings)
    return peft_config


def adaptable_modules(model: Any, peft_config: Any) -> dict[str, nn.Module]:
    """The modules of the plain `model` that peft adapts under that config, by name; the model is left as it was."""
    probe = get_peft_model(model, peft_config)
    names = [
        name.removeprefix("base_model.model.") for name, each in probe.named_modules() if isinstance(each, LoraLayer)
    ]
    probe.unload()
    vars(model).pop("peft_config", None)
    return {name: model.get_submodule(name) for name in names}


def needs_the_head(model: Any, modules: dict[str, nn.Module]) -> bool:
    """Whether one of the modules lies outside the model's inner part, as an output head does."""
    return not all(name.startswith(f"{model.base_model_prefix}.") for name in modules)
