"""Whether one more run fits on a device beside those that are at work there, by the memory estimate of each.

A model whose shape is not known yet is taken to need the device for itself. Arithmetic and two looks at the machine;
nothing is asked of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psutil

from workbench.calculator.device import this_device
from workbench.calculator.verdict import estimate
from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models import Models
from workbench.runs.system import Gpu, gpus

USABLE = 0.9
"""Share of a device's memory that runs may fill by their estimates."""


class Room:
    """Judges by the base models' shapes that were read before."""

    def __init__(self, home: Home, release: Callable[[str], None] | None = None) -> None:
        """`release` asks whoever else holds memory to give it back, and is told why."""
        self._models = Models(home)
        self._release = release
        self._needs: dict[str, int | None] = {}

    def needs(self, config: RunConfig) -> int | None:
        """Bytes that a step of such a run takes; None when its base model's shape is not known."""
        asked = config.model_dump_json(exclude={"name"})
        if asked not in self._needs:
            self._needs[asked] = self._estimated(config)
        return self._needs[asked]

    def fits(self, newcomer: RunConfig, others: Sequence[RunConfig], lane: str, taken: int) -> bool:
        """Whether `newcomer` fits on `lane` beside `others`, whose processes hold `taken` bytes already."""
        needs = [self.needs(config) for config in (newcomer, *others)]
        known = [need for need in needs if need is not None]
        return len(known) == len(needs) and sum(known) <= USABLE * self.capacity(lane, taken)

    def make_way(self, newcomer: RunConfig, others: Sequence[RunConfig], lane: str, taken: int) -> None:
        """Have memory given back where it is short for `newcomer`, or where nobody knows what it needs."""
        if self._release is None:
            return
        card, need = _card(lane), self.needs(newcomer)
        if card is None:
            roomy = self.fits(newcomer, others, lane, taken)
        else:  # what the engine holds of a card counts as used
            roomy = need is not None and need <= USABLE * (card.memory_total - card.memory_used)
        if not roomy:
            self._release("a run needed the memory")

    def capacity(self, lane: str, taken: int = 0) -> int:
        """Bytes that runs on `lane` can have: a card's memory, or what is free here and what they hold already."""
        card = _card(lane)
        return card.memory_total if card is not None else int(psutil.virtual_memory().available) + taken

    def _estimated(self, config: RunConfig) -> int | None:
        try:
            return estimate(config, self._models.blueprint(config.base_model), this_device()).needed
        except WorkbenchError:
            return None


def _card(lane: str) -> Gpu | None:
    """The graphics card that `lane` stands for."""
    return next((card for card in gpus() if lane == f"gpu-{card.index}"), None)
