"""How a batch becomes its loss on a given model, chosen by trying: the fast way where it gives the same numbers.

Two choices are made once a run. *Layout*: rows behind one another (`attention`), what they begin with alike computed
once, unless the method or the model cannot; then padded. *Head*: only labelled positions, in chunks through the frozen
weight (`loss`), unless the head is adapted, biased or followed by something; then through the model's own forward.
Each fast way is compared with the plain one on a few real tokens before it is used, so an unknown architecture costs
speed, never correctness. On several threads the rows of a batch then go side by side (`strands`) through fused
layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from workbench.training import attention
from workbench.training.batches import Batch, flattened, padded, shared
from workbench.training.fused import FusedBackbone, fuse
from workbench.training.loss import CHUNK, frozen_head_loss
from workbench.training.packs import PackChoices, PackedMatrix
from workbench.training.rows import Row, Rows
from workbench.training.strands import Strands

_PROBE_ROWS = 2
_PROBE_TOKENS = 24
_NOTHING = 0.01
"""Of the largest gradient: what is smaller is mostly cancelled, so that its own rounding says little."""
_ELSEWHERE = ("summary_", "classifier_")
"""How settings begin that belong to heads which no causal model has."""
_INPUTS = ("input_ids", "position_ids", "attention_mask", "segments", "spread", "first")

Head = Literal["chunked", "module", "whole"]


@dataclass(frozen=True)
class Objective:
    """The chosen way of a model: `batch` makes its batches, calling it gives a batch's loss."""

    model: Any
    """The transformers model, adapters injected; the peft wrapper itself where the method needs its forward."""
    collate: Callable[[Sequence[Row]], Batch]
    head: Head
    padded_because: str = ""
    """Why rows are padded; empty when they are not."""
    fused: FusedBackbone | None = None
    """The model's layers with a backward of our own, where it is one we know."""
    recomputes: bool = False
    """Whether activations are computed again on the way back."""
    packed_head: PackedMatrix | None = None
    """The head laid out for this CPU, where that is faster."""
    smoothing: float = 0.0
    """Label smoothing, while the model is training."""
    strands: Strands | None = None
    """Where rows go side by side."""

    @property
    def layout(self) -> str:
        """In words, for the run's environment."""
        if self.padded_because:
            return f"padded: {self.padded_because}"
        return "flattened, common beginnings once" if self.collate is shared else "flattened"

    def batch(self, rows: Sequence[Row]) -> Batch:
        """What one pass reads of `rows`."""
        return self.strands.batch(self.collate, rows) if self.strands else self.collate(rows)

    def __call__(self, batch: Batch) -> Tensor:
        """Summed cross-entropy of the batch's targets, in nats; divide by the trained tokens of the whole step."""
        if self.fused:
            self.fused.take_adapters()
        if self.strands and "strands" in batch:
            return self.strands.loss(self._loss, batch["strands"], self._trained)
        return self._loss(batch)

    @cached_property
    def _trained(self) -> list[Tensor]:
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    def _loss(self, batch: Batch) -> Tensor:
        targets = batch["targets"]
        smoothing = self.smoothing if self.model.training else 0.0
        if self.head == "chunked":
            head = self.model.get_output_embeddings().weight
            return frozen_head_loss(self._hidden(batch), head, targets, smoothing, self.packed_head)
        logits = self._logits(batch).float()
        return functional.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)

    def _hidden(self, batch: Batch) -> Tensor:
        if self.fused:
            return self.fused(batch).index_select(0, batch["labelled"])
        states: Tensor = self.model.base_model(**_inputs(batch)).last_hidden_state
        return states.reshape(-1, states.shape[-1]).index_select(0, batch["labelled"])

    def _logits(self, batch: Batch) -> Tensor:
        shape = batch["input_ids"].shape
        if self.head == "module":
            keep = torch.zeros(shape, dtype=torch.bool, device=batch["input_ids"].device)
            keep.view(-1)[batch["labelled"]] = True
            kept: Tensor = self.model(**_inputs(batch), logits_to_keep=keep).logits
            places = keep.view(-1).cumsum(0)[batch["labelled"]] - 1  # a shared token may have several targets
            return kept.reshape(-1, kept.shape[-1]).index_select(0, places)
        every: Tensor = self.model(**_inputs(batch)).logits[:, -shape[1] :]  # virtual tokens come before a row's own
        return every.reshape(-1, every.shape[-1]).index_select(0, batch["labelled"])


def _inputs(batch: Batch) -> dict[str, Any]:
    return {name: batch[name] for name in _INPUTS if name in batch} | {"use_cache": False}


def choose_objective(
    model: Any,
    rows: Rows,
    *,
    recompute: bool = False,
    smoothing: float = 0.0,
    noisy: bool = False,
    packs: PackChoices | None = None,
    rows_attend: Literal["varlen", "segments"] = "segments",
    threads: int = 1,
) -> Objective:
    """The fastest way that gives `model`'s own losses; `model` is a peft model or a plain transformers model.

    With `recompute` it keeps only each layer's input for the way back, and no weight twice. In a `noisy` run each row
    has its own beginning, and rows take their noise in one order. `rows_attend` is the machine's way to compute the
    attention of rows behind one another, `threads` are those that a CPU computes with.
    """
    attention.register(rows_attend)
    chosen = replace(_choose(model, rows, alike=not noisy), recomputes=recompute, smoothing=smoothing)
    packs = None if recompute else packs  # it would be a second copy
    if packs and chosen.head == "chunked":
        chosen = replace(chosen, packed_head=packs.packed(chosen.model.get_output_embeddings().weight.detach(), CHUNK))
    if chosen.fused:
        chosen.fused.recompute = recompute
        if packs:
            chosen.fused.pack(packs)
        if threads > 1 and not noisy:
            chosen = replace(chosen, strands=Strands(threads))
    elif recompute:
        chosen.model.gradient_checkpointing_enable({"use_reentrant": False})
    return chosen


def _choose(model: Any, rows: Rows, *, alike: bool) -> Objective:
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    if _prompt_learning(model):
        return Objective(model, padded, "whole", "the method puts virtual tokens before each row")
    probe = [_shortened(rows[index]) for index in range(min(_PROBE_ROWS, len(rows)))]
    reason = _too_long(plain, rows.longest)
    swiftest = None if reason else _fused(plain, probe, alike)
    if swiftest:
        return swiftest
    reason = reason or _cannot_flatten(plain, probe)
    collate = padded if reason else flattened
    careful = Objective(plain, collate, "module", reason)
    chunked = Objective(plain, collate, "chunked", reason)
    chosen = chunked if _plain_head(plain) and _agree(careful, chunked, collate(probe)) else careful
    return _sharing(chosen, probe) if alike and not reason else chosen


def _fused(model: Any, probe: Sequence[Row], alike: bool) -> Objective | None:
    """The fastest way of all, compared as a whole with the model's own, padded one; None where it is not for it."""
    fused = fuse(model) if _plain_head(model) else None
    if fused is None:
        return None
    share = alike and not _drops_at_random(model)
    swiftest = Objective(model, shared if share else flattened, "chunked", fused=fused)
    rows = [*probe, _beginning_of(probe[0])] if share else probe
    if not _same_gradients(Objective(model, padded, "module"), swiftest, rows):
        return None
    model.set_attn_implementation(attention.SEGMENTS)  # for the modules, which share the weights
    return swiftest


def _sharing(chosen: Objective, probe: Sequence[Row]) -> Objective:
    """`chosen`, with what rows begin with alike computed once where that gives the same gradients.

    Not where something is dropped at random: rows would then drop the same.
    """
    if _drops_at_random(chosen.model):
        return chosen
    once = replace(chosen, collate=shared)
    alike = [*probe, _beginning_of(probe[0])]
    return once if _same_gradients(chosen, once, alike) else chosen


def _drops_at_random(model: Any) -> bool:
    modules = (module for module in model.modules() if isinstance(module, torch.nn.Dropout))
    settings = model.config.get_text_config().to_dict().items()
    chances = (
        value
        for name, value in settings
        if "drop" in name and isinstance(value, float) and not name.startswith(_ELSEWHERE)
    )
    return any(module.p > 0 for module in modules) or any(chance > 0 for chance in chances)


def _beginning_of(row: Row) -> Row:
    half = max(2, len(row.input_ids) // 2)
    return Row(row.input_ids[:half], row.trained[:half])


def _prompt_learning(model: Any) -> bool:
    return any(config.is_prompt_learning for config in getattr(model, "peft_config", {}).values())


def _shortened(row: Row) -> Row:
    """The start of a row with every token to be learnt, so that the probe compares all positions."""
    tokens = row.input_ids[:_PROBE_TOKENS]
    return Row(tokens, torch.ones(len(tokens), dtype=torch.bool))


def _too_long(model: Any, longest: int) -> str:
    """Why rows cannot lie behind one another, where the model's attention looks back less far; or nothing."""
    window = _window(model.config.get_text_config())
    if window is None or longest <= window:
        return ""
    return f"the model's attention window of {window} tokens is shorter than the longest row"


def _cannot_flatten(model: Any, probe: Sequence[Row]) -> str:
    """Switches the model to segment attention; the reason why it was switched back, or nothing."""
    before = model.config._attn_implementation
    expected = _probe_logits(Objective(model, padded, "module"), padded(probe))
    try:
        model.set_attn_implementation(attention.SEGMENTS)
        found = _probe_logits(Objective(model, flattened, "module"), flattened(probe))
    except (ImportError, TypeError, ValueError, RuntimeError) as error:
        model.set_attn_implementation(before)
        return f"the model's attention cannot be cut at the rows' ends ({error})"
    if _differ(found, expected):
        model.set_attn_implementation(before)
        return "the model mixes rows that lie behind one another"
    return ""


def _window(config: Any) -> int | None:
    """The tokens that some layer's attention is limited to, if it is."""
    kinds = getattr(config, "layer_types", None) or ()
    if "chunked_attention" in kinds:
        return getattr(config, "attention_chunk_size", None)
    if kinds and "sliding_attention" not in kinds:
        return None
    return getattr(config, "sliding_window", None)


def _plain_head(model: Any) -> bool:
    """A frozen matrix and nothing more. A soft cap bends only large logits, so a probe alone may not see it."""
    if getattr(model.config.get_text_config(), "final_logit_softcapping", None) is not None:
        return False
    head = model.get_output_embeddings()
    return type(head) is torch.nn.Linear and head.bias is None and not head.weight.requires_grad


def _agree(careful: Objective, chunked: Objective, batch: Batch) -> bool:
    """Whether the head alone makes the model's logits: nothing caps or scales them afterwards."""
    head = careful.model.get_output_embeddings().weight
    found = _quietly(careful.model, lambda: functional.linear(chunked._hidden(_on(head.device, batch)), head))
    return not _differ(found, _probe_logits(careful, batch))


def _same_gradients(known: Objective, fast: Objective, rows: Sequence[Row]) -> bool:
    """Whether both give one loss and one gradient. Adapters begin at nothing, so they are stirred for the while."""
    weights = [weight for weight in known.model.parameters() if weight.requires_grad]
    before = [weight.detach().clone() for weight in weights]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in weights:
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.02)
    try:
        expected, found = (_gradients(each, rows, weights) for each in (known, fast))
        least = _NOTHING * max((float(gradient.norm()) for gradient in expected if gradient is not None), default=0.0)
        return all(_same(one, other, least) for one, other in zip(found, expected, strict=True))
    finally:
        with torch.no_grad():
            torch._foreach_copy_(weights, before)


def _gradients(objective: Objective, rows: Sequence[Row], weights: Sequence[Tensor]) -> Sequence[Tensor | None]:
    batch = _on(objective.model.device, objective.collate(rows))
    return torch.autograd.grad(objective(batch), weights, allow_unused=True)


def _same(found: Tensor | None, expected: Tensor | None, least: float) -> bool:
    return found is expected if found is None or expected is None else not _differ(found, expected, least)


def _probe_logits(objective: Objective, batch: Batch) -> Tensor:
    return _quietly(objective.model, lambda: objective._logits(_on(objective.model.device, batch)))


def _quietly(model: Any, compute: Callable[[], Tensor]) -> Tensor:
    """Without dropout and gradient; the model is left as it was."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        result = compute()
    model.train(was_training)
    return result


def _on(device: torch.device, batch: Batch) -> Batch:
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}


def _differ(found: Tensor, expected: Tensor, least: float = 1e-30) -> bool:
    """More than rounding: error above 2e-4 of the tensor in single precision, 0.05 in half, or of `least` if larger."""
    tolerance = 2e-4 if expected.dtype == torch.float32 else 0.05
    scale = (expected - expected.mean()).float().norm().clamp_min(least)
    return bool((found - expected).float().norm() > tolerance * scale)
