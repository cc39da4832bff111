"""Fixtures that rooms share: a home, and a tiny random model with a tokenizer of its own, both made here.

Torch is imported only by the tests that ask for the model. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from workbench.config import RunConfig
from workbench.home import Home
from workbench.runs.folder import RunFolder

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ("web_fixtures", "browser_fixtures")

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOPICS = ("brick", "beam", "door", "roof", "wall", "window", "floor", "stair")


@pytest.fixture(scope="session", autouse=True)
def no_process_outlives_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Workers are made to outlive everybody: a test that fails halfway must not leave one training for hours."""
    yield
    base = str(tmp_path_factory.getbasetemp())
    for process in psutil.process_iter(["cmdline"]):
        if any(base in argument for argument in process.info["cmdline"] or ()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty workbench home."""
    return Home(tmp_path / "home")


def tiny_conversations(rows: int = 48) -> list[dict[str, Any]]:
    """Chat rows of uneven length, every one different."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"What is {TOPICS[n % 8]} number {n} made of?"},
                {
                    "role": "assistant",
                    "content": f"The {TOPICS[n % 8]} {n} is made of " + "clay and sand " * (n % 5 + 1),
                },
            ]
        }
        for n in range(rows)
    ]


@pytest.fixture(scope="session")
def tiny_dataset_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JSONL file of 48 OpenAI-style chat rows."""
    path = tmp_path_factory.mktemp("data") / "tiny.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in tiny_conversations()) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    """A byte-level BPE tokenizer of some 400 tokens with a ChatML template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [message["content"] for row in tiny_conversations() for message in row["messages"]]
    tokenizer.train_from_iterator(["system user assistant", *texts], trainer)
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = CHATML
    return fast


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Any) -> Path:
    """A random Llama of three layers with grouped queries and a tied head, in safetensors, with its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.1,
        bos_token_id=tiny_tokenizer.bos_token_id,
        eos_token_id=tiny_tokenizer.eos_token_id,
        pad_token_id=tiny_tokenizer.pad_token_id,
    )
    folder = tmp_path_factory.mktemp("tiny-model")
    LlamaForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_gpt2_folder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Any) -> Path:
    """A random GPT-2 of two layers: biases everywhere, and Conv1D where others have linear layers."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tiny_tokenizer),
        n_embd=64,
        n_layer=2,
        n_head=4,
        n_positions=256,
        initializer_range=0.1,
        bos_token_id=tiny_tokenizer.bos_token_id,
        eos_token_id=tiny_tokenizer.eos_token_id,
        pad_token_id=tiny_tokenizer.pad_token_id,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    folder = tmp_path_factory.mktemp("tiny-gpt2")
    GPT2LMHeadModel(config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


TINY_TRAINING: dict[str, Any] = {
    "batch_size": 3,
    "gradient_accumulation_steps": 2,
    "max_steps": 10,
    "learning_rate": 1e-2,
    "warmup_steps": 2,
    "save_every": 4,
    "evaluate_every": 5,
    "precision": "fp32",
    "threads": 1,
}


@pytest.fixture(scope="session")
def make_run_in(tiny_model_folder: Path, tiny_dataset_file: Path) -> Callable[..., RunFolder]:
    """Makes queued runs: ``make_run_in(home, max_steps=4, method={"rank": 2}, data={…})``."""

    def make(
        home: Home, method: dict[str, Any] | None = None, data: dict[str, Any] | None = None, **training: Any
    ) -> RunFolder:
        config = RunConfig.parse(
            {
                "base_model": f"folder:{tiny_model_folder}",
                "method": {"kind": "lora", "rank": 4, "dropout": 0.1} | (method or {}),
                "data": {"dataset": str(tiny_dataset_file), "validation_share": 0.2, "max_length": 64} | (data or {}),
                "training": TINY_TRAINING | training,
            }
        )
        return RunFolder.create(home, config)

    return make


@pytest.fixture
def make_run(home: Home, make_run_in: Callable[..., RunFolder]) -> Callable[..., RunFolder]:
    """The same in the test's own home: ``make_run(max_steps=4)``."""
    return partial(make_run_in, home)
