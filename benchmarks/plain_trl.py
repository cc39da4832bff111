"""The other control of `train_throughput`: TRL's SFTTrainer, given tokens and labels, as its documentation shows it.

Runs where TRL is importable, which need not be the workbench's own environment, and imports nothing of the workbench.
``python plain_trl.py ASKED.json TOLD.json``: ASKED names model folder, rows in their order, and settings.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from plain_clock import Clock
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


class InOrder(SFTTrainer):  # type: ignore[misc]
    """Only the order of the rows is set, so that all sides see the same batches."""

    def _get_train_sampler(self, *_: Any) -> Any:
        return SequentialSampler(self.train_dataset)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        self.tokens = int(inputs["attention_mask"].sum())
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        return loss


def main(asked: dict[str, Any], told: Path) -> None:
    """Train as asked and write what each step was."""
    torch.set_num_threads(asked["threads"])
    model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32, attn_implementation="sdpa")
    settings = SFTConfig(
        output_dir=str(told.parent / "output"),
        max_steps=asked["steps"],
        per_device_train_batch_size=asked["batch_size"],
        learning_rate=asked["learning_rate"],
        gradient_checkpointing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        bf16=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        seed=asked["seed"],
    )
    clock = Clock()
    trainer = InOrder(
        model=model,
        args=settings,
        train_dataset=Dataset.from_list(asked["rows"]),
        processing_class=AutoTokenizer.from_pretrained(asked["model"]),
        peft_config=LoraConfig(
            r=asked["rank"], lora_alpha=asked["alpha"], target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        callbacks=[clock],
    )
    clock.trainer = trainer
    trainer.train()
    told.write_text(json.dumps(clock.steps))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
