"""One forward pass for all rows of a batch, each at its own place in its own text.

`FlatForward` lays the rows end to end and runs the model once. `RowByRow` is for models whose attention does not go
through transformers' interface, or keeps a state of another kind: it runs each row with transformers' own cache.
`forward_for` takes the first where a self-test shows that it gives the second's numbers.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from workbench.engine.attention import IMPLEMENTATION, KeyValues, Segment
from workbench.engine.lean import LeanPass, lean_pass
from workbench.engine.mixing import BASE_DOSE, Dose, Mixer
from workbench.engine.switching import Switch

LOG = logging.getLogger(__name__)
LEAN_TOLERANCE = 1e-3
"""Largest difference of the lean pass from the modules, relative to the logits' spread."""


@dataclass(frozen=True)
class Stretch:
    """The tokens of one row that a forward pass reads next."""

    tokens: Sequence[int]
    past: Any
    """What `Forward.past` gave when the row began; holds every token read before."""
    dose: Dose
    wanted: int = 1
    """After how many of the tokens, the last of them, logits are asked for."""


class Forward(Protocol):
    """Reads a stretch of each row and says what may come next."""

    in_pieces: bool
    """Whether a prompt may be read in several stretches."""

    def past(self, dose: Dose = BASE_DOSE) -> Any:
        """The memory of a new row: empty, but for the virtual tokens that its dose brings."""

    def admit(self, dose: Dose, running: Sequence[Dose]) -> bool:
        """Make ready for a row of `dose`; False while it has to wait for one of those `running`."""

    def __call__(self, stretches: Sequence[Stretch]) -> list[Tensor]:
        """Of each stretch the logits (wanted, vocabulary) after its last tokens, float32 on the CPU."""


class FlatForward:
    """All rows in one line of tokens."""

    in_pieces = True

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._mixer = Mixer(model)
        self._switch = Switch(model)
        self.lean: LeanPass | None = None
        """Takes the batches that it knows, where a self-test has shown that it is right."""

    def past(self, dose: Dose = BASE_DOSE) -> KeyValues:
        past = KeyValues()
        for layer, (keys, values) in enumerate(dose.prefix):
            past.extend(layer, keys, values)
        if dose.prompt is not None:
            self._read_prompt(dose.prompt, past)
        past.advance(dose.virtual_tokens)
        return past

    def _read_prompt(self, prompt: Tensor, past: KeyValues) -> None:
        tokens = prompt.shape[1]
        self._mixer.set([BASE_DOSE], [tokens], [1])
        with self._switch.off():
            self._model(
                inputs_embeds=prompt,
                position_ids=torch.arange(tokens, device=prompt.device)[None],
                use_cache=False,
                logits_to_keep=1,
                segments=[Segment(0, tokens, past)],
            )

    def admit(self, dose: Dose, running: Sequence[Dose]) -> bool:
        return self._switch.admit(dose, running)

    def __call__(self, stretches: Sequence[Stretch]) -> list[Tensor]:
        doses = [stretch.dose for stretch in stretches]
        return self._switch.run(doses, lambda indices: self._pass([stretches[index] for index in indices]))

    def _pass(self, stretches: Sequence[Stretch]) -> list[Tensor]:
        segments: list[Segment] = []
        positions: list[int] = []
        kept: list[int] = []
        tokens: list[int] = []
        for stretch in stretches:
            start, before = len(tokens), stretch.past.length
            tokens.extend(stretch.tokens)
            positions.extend(range(before, before + len(stretch.tokens)))
            segments.append(Segment(start, len(tokens), stretch.past))
            kept.extend(range(len(tokens) - stretch.wanted, len(tokens)))
        wanted = [stretch.wanted for stretch in stretches]
        doses = [stretch.dose for stretch in stretches]
        if self.lean is not None and self.lean.known(doses):
            logits = self.lean(tokens, positions, segments, doses, kept)
        else:
            logits = self._logits(stretches, tokens, positions, segments, kept)
        for stretch in stretches:
            stretch.past.advance(len(stretch.tokens))
        return list(torch.split(logits.to("cpu", torch.float32), wanted))

    def _logits(
        self,
        stretches: Sequence[Stretch],
        tokens: Sequence[int],
        positions: Sequence[int],
        segments: Sequence[Segment],
        kept: Sequence[int],
    ) -> Tensor:
        counts, wanted = [len(stretch.tokens) for stretch in stretches], [stretch.wanted for stretch in stretches]
        self._mixer.set([stretch.dose for stretch in stretches], counts, wanted)
        device = self._model.device
        output = self._model(
            input_ids=torch.tensor([tokens], device=device),
            position_ids=torch.tensor([positions], device=device),
            use_cache=False,
            logits_to_keep=torch.tensor(kept, dtype=torch.long, device=device),
            segments=segments,
        )
        logits: Tensor = output.logits[0]
        return logits


@dataclass
class Memory:
    """One row's cache of transformers' own."""

    cache: DynamicCache
    begun: bool = False


class RowByRow:
    """Each row by itself, with the model's own cache; not every kind of cache can take several tokens at once later."""

    in_pieces = False

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._mixer = Mixer(model)
        self._switch = Switch(model)
        accepted = inspect.signature(model.forward).parameters
        self._cache_name = "past_key_values" if "past_key_values" in accepted else "cache_params"

    def past(self, dose: Dose = BASE_DOSE) -> Memory:
        memory = Memory(DynamicCache(config=self._model.config), begun=bool(dose.virtual_tokens))
        for layer, (keys, values) in enumerate(dose.prefix):
            memory.cache.update(keys, values, layer)
        if dose.prompt is not None:
            self._mixer.set([BASE_DOSE], [dose.virtual_tokens], [1])
            with self._switch.off():
                cache = {self._cache_name: memory.cache}
                self._model(inputs_embeds=dose.prompt, use_cache=True, logits_to_keep=1, **cache)
        return memory

    def admit(self, dose: Dose, running: Sequence[Dose]) -> bool:
        return self._switch.admit(dose, running)

    def __call__(self, stretches: Sequence[Stretch]) -> list[Tensor]:
        doses = [stretch.dose for stretch in stretches]
        return self._switch.run(doses, lambda indices: [self._one(stretches[index]) for index in indices])

    def _one(self, stretch: Stretch) -> Tensor:
        memory: Memory = stretch.past
        pieces = [[token] for token in stretch.tokens] if memory.begun else [list(stretch.tokens)]
        memory.begun = True
        logits = []
        for piece in pieces:
            kept = max(1, min(stretch.wanted, len(piece)))
            self._mixer.set([stretch.dose], [len(piece)], [kept])
            tokens = torch.tensor([piece], device=self._model.device)
            cache = {self._cache_name: memory.cache}
            output = self._model(input_ids=tokens, use_cache=True, logits_to_keep=kept, **cache)
            logits.append(output.logits[0, -kept:])
        together = torch.cat(logits)
        return together[len(together) - stretch.wanted :].to("cpu", torch.float32)


def forward_for(model: PreTrainedModel) -> Forward:
    """The fastest way that is right for `model`."""
    plain = model.config._attn_implementation
    careful = RowByRow(model)
    wanted = _self_test(careful)
    try:
        model.set_attn_implementation(IMPLEMENTATION)
        flat = FlatForward(model)
        given = _self_test(flat)
    except (AttributeError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        LOG.warning("%s runs row by row: %s", type(model).__name__, error)
    else:
        difference = (wanted - given).abs().max().item()
        if difference <= 0.02 * wanted.std().item():
            flat.lean = _tested_lean(flat, model, given)
            return flat
        LOG.warning("%s runs row by row: logits differ by %g", type(model).__name__, difference)
    model.set_attn_implementation(plain)
    return careful


def _tested_lean(flat: FlatForward, model: PreTrainedModel, wanted: Tensor) -> LeanPass | None:
    """The lean pass of `model`, if it has one that gives `wanted`."""
    flat.lean = lean_pass(model)
    if flat.lean is None:
        return None
    difference = (_self_test(flat) - wanted).abs().max().item()
    if difference <= LEAN_TOLERANCE * wanted.std().item():
        return flat.lean
    LOG.warning("%s runs by its modules: logits differ by %g", type(model).__name__, difference)
    return None


@torch.inference_mode()
def _self_test(forward: Forward) -> Tensor:
    """Logits of two rows that read, then read on side by side at different places."""
    first, second = forward.past(), forward.past()
    alone = forward([Stretch([5, 9, 4, 7], first, BASE_DOSE)])
    together = forward([Stretch([6], first, BASE_DOSE), Stretch([8, 3, 5], second, BASE_DOSE)])
    later = forward([Stretch([2, 7], first, BASE_DOSE), Stretch([4], second, BASE_DOSE)])
    return torch.cat([*alone, *together, *later])
