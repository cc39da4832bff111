"""Causal language modelling: the model continues a text, one token after another."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from workbench.task import TASKS, Task


@TASKS.add("causal_lm")
class CausalLM(Task):
    """Chat and text completion: loss on the answer's tokens, eval loss as the metric."""

    title: ClassVar[str] = "Chat and text"
    order: ClassVar[int] = 0
    peft_type: ClassVar[str] = "CAUSAL_LM"
    kind: Literal["causal_lm"] = "causal_lm"

    def load_model(self, folder: Any, **options: Any) -> Any:
        """A `transformers.PreTrainedModel` with a language-model head; safetensors only."""
        from transformers import AutoModelForCausalLM

        return AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, trust_remote_code=False, **options)
