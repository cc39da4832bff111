"""The control of `train_throughput`: transformers' Trainer with peft as its documentation shows it.

Padded batches, labels of -100, every position's logits. Rows and their order are those of a run of ours, so the losses
must be too. ``python plain_peft.py HOME CONFIG.json TOLD.json`` writes loss, real tokens and seconds of each step.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model
from plain_clock import Clock
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments, set_seed

from workbench.config import RunConfig
from workbench.data import DatasetLibrary
from workbench.data.rendering import encode_all
from workbench.data.split import split
from workbench.home import Home
from workbench.models.fetch import local_folder
from workbench.training.order import ShuffledBatches
from workbench.training.rows import Row, Rows


def collate(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """Padded at the right; what is not learnt is labelled -100."""
    labels = [torch.where(row.trained, row.input_ids, -100) for row in rows]
    ones = [torch.ones_like(row.input_ids) for row in rows]
    return {
        "input_ids": pad_sequence([row.input_ids for row in rows], batch_first=True),
        "attention_mask": pad_sequence(ones, batch_first=True),
        "labels": pad_sequence(labels, batch_first=True, padding_value=-100),
    }


class PlainTrainer(Trainer):
    """Only the order of the rows is set, so that both sides see the same batches."""

    rows: Rows
    order: ShuffledBatches

    def get_train_dataloader(self) -> Any:
        return DataLoader(self.rows, batch_sampler=self.order, collate_fn=collate)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        self.tokens = int(inputs["attention_mask"].sum())
        return super().training_step(model, inputs, num_items_in_batch)


def main(home: Home, config: RunConfig, told: Path) -> None:
    """Train as `config` says and write what each step was."""
    training = config.training
    torch.set_num_threads(training.threads or 1)
    folder = local_folder(config.base_model, home, lambda *_: None)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    set_seed(training.seed)
    model = get_peft_model(model, config.method.peft_config(config.task))
    library = DatasetLibrary(home)
    conversations = library.conversations(library.resolve(config.data.dataset).id)
    chosen = (conversations[index] for index in split(len(conversations), 0.0, config.data.split_seed)[0])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = Rows(encode_all(chosen, tokenizer, train_on=config.data.train_on, max_length=config.data.max_length))
    clock = Clock()
    arguments = TrainingArguments(
        output_dir=str(told.parent / "output"),
        max_steps=training.max_steps or -1,
        per_device_train_batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    trainer = PlainTrainer(model=model, args=arguments, train_dataset=rows, callbacks=[clock])
    trainer.rows = rows
    trainer.order = ShuffledBatches(len(rows), training.batch_size, training.seed)
    clock.trainer = trainer
    trainer.train()
    told.write_text(json.dumps(clock.steps))


if __name__ == "__main__":
    main(Home(Path(sys.argv[1])), RunConfig.parse(json.loads(Path(sys.argv[2]).read_text())), Path(sys.argv[3]))
