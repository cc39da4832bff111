"""Failures explained: each cause provoked, where that can be done here by what really raises it."""

from __future__ import annotations

import errno
import importlib
import os
import resource
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.config import RunConfig
from workbench.home import Home
from workbench.records.runs import Run, RunStatus
from workbench.runs.causes import CAUSES
from workbench.runs.changes import with_changes
from workbench.runs.explanation import explain
from workbench.runs.farewell import obituary
from workbench.runs.folder import RunFolder


def failed(problem: str = "", cause: str = "unexpected", log_tail: str = "") -> Run:
    return Run(
        id="one",
        name="one",
        status=RunStatus.FAILED,
        created=1.0,
        base_model="hub:a/b",
        dataset="d",
        method="lora",
        problem=problem or "The worker stopped.",
        remedy="The worker's own remedy.",
        cause=cause,
        log_tail=log_tail,
    )


def index_a_table_out_of_range() -> None:
    import torch

    torch.nn.functional.embedding(torch.tensor([9]), torch.zeros(3, 2))


def allocate_beyond_the_machine() -> None:
    import torch

    torch.empty(1 << 60, dtype=torch.uint8)


def read_damaged_weights(folder: Path) -> None:
    from safetensors.torch import load_file

    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    load_file(folder / "model.safetensors")


def read_an_unknown_architecture(folder: Path) -> None:
    from transformers import AutoConfig

    (folder / "config.json").write_text('{"model_type": "from-the-future"}')
    AutoConfig.from_pretrained(folder)


def adapt_modules_that_are_not_there() -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    get_peft_model(torch.nn.Sequential(torch.nn.Linear(2, 2)), LoraConfig(target_modules=["nowhere"]))


def load_another_state() -> None:
    import torch

    torch.nn.Linear(2, 2).load_state_dict({"weight": torch.zeros(3, 3), "bias": torch.zeros(2)})


def reach_the_hub() -> None:
    import httpx

    httpx.get("http://host.invalid/", timeout=5)


def open_too_many_files() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, before[1]))
    opened = []
    try:
        while True:
            opened.append(os.dup(0))
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def write_to_a_full_disk() -> None:
    with Path("/dev/full").open("w") as full:
        full.write("x")


def write_without_permission() -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/somewhere")


def import_what_is_missing() -> None:
    importlib.import_module("no_such_package")


def render_without_a_template() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))  # type: ignore[no-untyped-call]
    tokenizer.apply_chat_template([{"role": "user", "content": "Hello"}])


def load_a_model_with_code_of_its_own(folder: Path) -> None:
    from transformers import AutoConfig

    (folder / "config.json").write_text('{"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}')
    (folder / "own.py").write_text("class OwnConfig: ...")
    AutoConfig.from_pretrained(folder)


def learn_from_a_dataset_that_is_gone(folder: Path) -> None:
    from workbench.data import DatasetLibrary

    DatasetLibrary(Home(folder)).resolve("0123456789abcdef")


PROVOKED: list[tuple[str, Callable[..., None]]] = [
    ("token-out-of-range", index_a_table_out_of_range),
    ("out-of-memory", allocate_beyond_the_machine),
    ("weights-damaged", read_damaged_weights),
    ("unknown-architecture", read_an_unknown_architecture),
    ("targets-missing", adapt_modules_that_are_not_there),
    ("other-checkpoint", load_another_state),
    ("model-unreachable", reach_the_hub),
    ("too-many-files", open_too_many_files),
    ("disk-full", write_to_a_full_disk),
    ("no-permission", write_without_permission),
    ("package-missing", import_what_is_missing),
    ("no-chat-template", render_without_a_template),
    ("remote-code", load_a_model_with_code_of_its_own),
    ("data-unusable", learn_from_a_dataset_that_is_gone),
]


@pytest.mark.parametrize(("cause", "provoke"), PROVOKED)
def test_a_cause_is_told_by_what_it_really_raises(cause: str, provoke: Callable[..., None], tmp_path: Path) -> None:
    try:
        provoke(*([tmp_path] if provoke.__code__.co_argcount else []))
    except Exception as error:  # noqa: BLE001 — whatever the library raises is what is looked at
        trace = "".join(traceback.format_exception(error))
    else:
        pytest.fail("nothing was raised")
    explained = explain(failed(), RunConfig(), trace)
    assert explained.cause == cause, trace
    assert explained.traceback == trace


TOLD = [
    ("gpu-memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
    ("model-gated", "huggingface_hub.errors.GatedRepoError: 401 Client Error. Access to model x/y is restricted."),
    ("model-missing", "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error."),
    ("old-driver", "RuntimeError: The NVIDIA driver on your system is too old (found version 10010)."),
    ("gpu-lost", "torch.AcceleratorError: CUDA error: an illegal memory access was encountered"),
    ("shared-memory", "RuntimeError: unable to open shared memory object </torch_1> in read-write mode"),
]
"""What needs a card, a network or a licence to be provoked, in the words of the library that says it."""


@pytest.mark.parametrize(("cause", "words"), TOLD)
def test_a_cause_is_told_by_its_words(cause: str, words: str) -> None:
    assert explain(failed(), RunConfig(), words).cause == cause


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (signal.SIGKILL, "killed"),
        (signal.SIGSEGV, "crashed"),
        (signal.SIGABRT, "crashed"),
        (signal.SIGILL, "illegal-instruction"),
        (signal.SIGBUS, "shared-memory"),
        (None, "went-silent"),
    ],
)
def test_a_death_by_signal_is_explained(number: signal.Signals | None, cause: str, tmp_path: Path) -> None:
    folder = RunFolder.create(Home(tmp_path), RunConfig())
    words = obituary(folder, -number if number is not None else None, began=True)
    assert explain(failed(words.message, "interrupted"), RunConfig()).cause == cause


def test_the_log_tells_what_led_to_a_death() -> None:
    run = failed(
        "The worker was killed (SIGKILL) before it finished.", "interrupted", "OSError: No space left on device"
    )
    assert explain(run, RunConfig()).cause == "disk-full"


def test_the_workers_own_words_count_for_more_than_its_log() -> None:
    run = failed("It was no number.", "loss-not-finite", "PermissionError: earlier")
    explained = explain(run, RunConfig())
    assert (explained.cause, explained.remedy) == ("loss-not-finite", "The worker's own remedy.")
    assert explained.changes == {"training.learning_rate": 6.7e-05}


def test_nothing_is_made_up_for_what_is_not_known() -> None:
    explained = explain(failed("Strange."), RunConfig(), "ZeroDivisionError: division by zero")
    assert (explained.cause, explained.detail, explained.changes) == ("unexpected", "Strange.", {})
    assert explained.remedy


def test_less_memory_keeps_the_effective_batch() -> None:
    config = with_changes(RunConfig(), {"training.batch_size": 5, "training.gradient_accumulation_steps": 2})
    changed = with_changes(config, explain(failed(cause="out-of-memory"), config, "MemoryError").changes)
    assert changed.training.batch_size == 2
    assert changed.training.batch_size * changed.training.gradient_accumulation_steps >= 10
    smallest = with_changes(config, {"training.batch_size": 1, "data.max_length": 64})
    assert explain(failed(cause="out-of-memory"), smallest).changes == {"data.max_length": 32}


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_every_change_that_is_offered_is_valid(cause: object) -> None:
    found = next(known for known in CAUSES if known is cause)
    with_changes(RunConfig(), found.changes(RunConfig()))
    assert found.title.endswith(".")
    assert found.remedy.endswith(".")


def test_there_are_enough_and_each_has_its_own_name() -> None:
    assert len({cause.name for cause in CAUSES}) == len(CAUSES) >= 15
