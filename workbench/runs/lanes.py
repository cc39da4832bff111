"""Where workers run beside each other: every graphics card is a lane; a machine without one has the lane ``cpu``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from workbench.records import Record
from workbench.runs.system import Gpu, gpus


@dataclass(frozen=True)
class Lane:
    """One device, and what a worker's environment must say to find it."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)


class DeviceState(Record):
    """A lane at this moment."""

    name: str
    runs: tuple[str, ...]
    """Ids of the runs whose workers are at work on it."""
    bytes: int
    """What runs can have of its memory."""
    needed: int
    """What those at work need by their estimates."""


CPU = Lane("cpu", {"CUDA_VISIBLE_DEVICES": ""})


def lanes_of(cards: Iterable[Gpu]) -> tuple[Lane, ...]:
    """A lane a card, named and numbered as the driver does."""
    return tuple(_lane(card.index) for card in cards) or (CPU,)


def find_lanes() -> tuple[Lane, ...]:
    """The lanes of this machine."""
    return lanes_of(gpus())


def _lane(index: int) -> Lane:
    # The driver counts cards by their place on the bus; CUDA does so only when it is told to.
    return Lane(f"gpu-{index}", {"CUDA_VISIBLE_DEVICES": str(index), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
