"""Changed weights of full fine-tuning and its kin: read, checked, and put in the place of a model's own tensors."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from workbench.adapter_folder import CHANGED_CONFIG, CHANGED_WEIGHTS, ChangedFacts
from workbench.engine.adapters import Adapter, other_base, read_chat_template
from workbench.engine.own import Own
from workbench.engine.packing import Pack, Packed, packed_groups
from workbench.errors import WorkbenchError


def read_changed(name: str, folder: Path, own: Own) -> Adapter:
    """What lies in `folder`, its tensors left on disk; raises `WorkbenchError` when they are of another base model."""
    try:
        facts = ChangedFacts.model_validate_json((folder / CHANGED_CONFIG).read_bytes())
        with safe_open(folder / CHANGED_WEIGHTS, "pt") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        with (folder / CHANGED_WEIGHTS).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValidationError, SafetensorError) as error:
        raise WorkbenchError(
            f"The changed weights cannot be read: {error}", remedy="Train or copy them again.", field="model"
        ) from error
    wrong = [message for key, shape in shapes.items() if (message := _mismatch(key, shape, own))]
    if wrong:
        raise other_base(wrong)
    return Adapter(
        name=name,
        folder=folder,
        hash=digest[:12],
        method=facts.method,
        rank=None,
        chat_template=read_chat_template(folder),
        unmixable="it changes the base model's own weights",
        changed=True,
    )


def _mismatch(key: str, shape: tuple[int, ...], own: Own) -> str:
    weight = own.parameters.get(key)
    if weight is None:
        return f"This base model has no tensor “{key}”."
    if tuple(weight.shape) != shape:
        return f"“{key}” is {tuple(weight.shape)} here, but {shape} in the changed weights."
    return ""


class Swap:
    """The tensors in `folder` for those of the same names in `model`: in and out, any number of times."""

    def __init__(self, model: nn.Module, own: Own, folder: Path, strength: float = 1.0) -> None:
        """`strength` 0 is the model's own tensors, 1 the changed ones, and others lie on the line through both."""
        changed = load_file(folder / CHANGED_WEIGHTS, device=str(own.device))
        new = {
            id(own.parameters[name]): _between(own.parameters[name], tensor, strength)
            for name, tensor in changed.items()
        }
        self._tensors: list[tuple[nn.Module, str, Any, nn.Parameter]] = [
            (module, name, weight, new[id(weight)])
            for module in model.modules()
            for name, weight in module._parameters.items()
            if id(weight) in new
        ]
        touched = {id(module) for module, *_ in self._tensors}
        groups = [group for group in packed_groups(model) if any(id(module) in touched for module in group)]
        self._own_forwards = [(module, module.__dict__["forward"]) for group in groups for module in group]
        self._new_forwards: list[tuple[nn.Module, Packed]] = []
        self.put_in()
        for group in groups:  # from the tensors that now stand in the modules
            pack = Pack(group)
            self._new_forwards += [
                (module, Packed(module, pack, place)) for module, place in zip(group, pack.places, strict=True)
            ]
        self.put_in()

    def put_in(self) -> None:
        """Let the model compute with the changed tensors."""
        for module, name, _, changed in self._tensors:
            module._parameters[name] = changed
        for each, forward in self._new_forwards:
            each.__dict__["forward"] = forward

    def take_out(self) -> None:
        """Put back the very tensors that were there."""
        for module, name, own, _ in self._tensors:
            module._parameters[name] = own
        for each, forward in self._own_forwards:
            each.__dict__["forward"] = forward


def _between(own: Tensor, changed: Tensor, strength: float) -> nn.Parameter:
    """Weights on the line from `own` to `changed` (Wortsman et al. 2022, section 3), to the bit where it is full."""
    tensor = changed.to(own.device, own.dtype)
    return nn.Parameter(tensor if strength == 1.0 else own.lerp(tensor, strength), requires_grad=False)
