"""What the methods share that begin inside the base weights: on what they cannot stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.errors import Problem
from workbench.methods.target_check import TARGETS
from workbench.records.base_models import Blueprint, Module

_REASON = "It takes a part out of the base weights to begin with, which packed weights would round away."
WHOLE_WEIGHTS_ONLY: Mapping[str, str] = dict.fromkeys(("int8", "nf4", "nf4-double"), _REASON)


def tied_problems(title: str, targets: Sequence[Module], blueprint: Blueprint) -> list[Problem]:
    """A target whose weight another module uses too: taking a part out would change that one as well."""
    shared = {module.tied_to for module in blueprint.modules if module.tied_to}
    wrong = [module.name for module in targets if module.tied_to or module.name in shared]
    if not wrong:
        return []
    return [
        Problem(
            f"{title} changes the weight of {wrong[0]}, which another module shares.",
            "Leave it out of the target modules.",
            TARGETS,
        )
    ]
