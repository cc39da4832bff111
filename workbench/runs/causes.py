"""Why runs fail: a table of causes, each with the marks it leaves, a sentence, a remedy and settings that would help.

The marks are looked for in what the worker told and in the end of its log; the first cause whose mark is found holds,
so the particular come before the general. A cause that the worker names itself needs no mark.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.config import RunConfig

Changes = dict[str, Any]


def nothing(config: RunConfig) -> Changes:
    """No setting would help."""
    return {}


def less_memory(config: RunConfig) -> Changes:
    """The same effective batch in smaller pieces; when it is one row already, shorter rows."""
    training = config.training
    if training.batch_size > 1:
        half = training.batch_size // 2
        pieces = -(-training.batch_size * training.gradient_accumulation_steps // half)
        return {"training.batch_size": half, "training.gradient_accumulation_steps": pieces}
    if config.data.max_length >= 16:
        return {"data.max_length": config.data.max_length // 2}
    return {}


def gentler(config: RunConfig) -> Changes:
    """A third of the learning rate."""
    return {"training.learning_rate": float(f"{config.training.learning_rate / 3:.2g}")}


def in_full_precision(config: RunConfig) -> Changes:
    """fp32, where it is not that already."""
    return {} if config.training.precision == "fp32" else {"training.precision": "fp32"}


def every_linear_layer(config: RunConfig) -> Changes:
    """Targets that every model has."""
    return {"method.target_modules": "all-linear"} if hasattr(config.method, "target_modules") else {}


@dataclass(frozen=True)
class Cause:
    """One reason for a failure."""

    name: str
    title: str
    remedy: str
    marks: str = ""
    """A regular expression; empty for a cause that only the worker can name."""
    changes: Callable[[RunConfig], Changes] = nothing

    def left_its_mark(self, text: str) -> bool:
        """Whether `text` shows this cause."""
        return bool(self.marks) and re.search(self.marks, text, re.IGNORECASE) is not None


CAUSES: tuple[Cause, ...] = (
    Cause(
        "loss-not-finite",
        "The loss was no longer a number.",
        "Lower the learning rate, or warm up longer; then start again, or go on from the last checkpoint.",
        changes=gentler,
    ),
    Cause(
        "loss-diverged",
        "The loss ran away.",
        "Lower the learning rate, or warm up longer; then start again, or go on from the last checkpoint.",
        changes=gentler,
    ),
    Cause(
        "did-not-stop",
        "The worker did not stop when it was asked to, and was killed.",
        "Resume it: it goes on from its last checkpoint.",
        r"did not stop by itself and was killed",
    ),
    Cause(
        "gpu-memory",
        "The graphics card ran out of memory.",
        "Use a smaller batch with more accumulation, shorter rows, a smaller rank, or a quantized base model.",
        r"CUDA out of memory|CUBLAS_STATUS_ALLOC_FAILED|hip out of memory",
        less_memory,
    ),
    Cause(
        "out-of-memory",
        "The machine ran out of memory.",
        "Use a smaller batch with more accumulation, shorter rows, or a smaller base model.",
        r"DefaultCPUAllocator|MemoryError|not enough memory|Cannot allocate memory|unable to mmap",
        less_memory,
    ),
    Cause(
        "disk-full",
        "The disk is full, or a quota is reached.",
        "Free some space under the workbench home, then resume: the last whole checkpoint is valid.",
        r"No space left on device|File too large|Disk quota exceeded|PytorchStreamWriter failed|disk is full",
    ),
    Cause(
        "model-gated",
        "The base model is behind a licence that this machine has not accepted.",
        "Accept the licence on the model's page, put a token into HF_TOKEN, and start the server again.",
        r"GatedRepoError|Access to model .* is restricted|401 Client Error|403 Client Error|awaiting a review",
    ),
    Cause(
        "model-missing",
        "There is no base model of that name.",
        "Check the spelling; the list of base models shows what is there.",
        r"RepositoryNotFoundError|404 Client Error|is not a valid model identifier",
    ),
    Cause(
        "model-unreachable",
        "The base model could not be fetched.",
        "Check the network, then resume; or choose a base model that is on this machine.",
        r"Max retries exceeded|NameResolutionError|ConnectionError|ConnectError|LocalEntryNotFoundError|offline mode"
        r"|couldn't connect|Temporary failure in name resolution",
    ),
    Cause(
        "weights-damaged",
        "A weights file of the base model is damaged or was not fetched completely.",
        "Delete the model under the workbench home or in the hub's cache, and fetch it again.",
        r"SafetensorError|HeaderTooLarge|InvalidHeader|MetadataIncompleteBuffer|incomplete metadata",
    ),
    Cause(
        "remote-code",
        "The base model needs code from its repository, which the workbench never runs.",
        "Choose a model that transformers knows.",
        r"trust_remote_code",
    ),
    Cause(
        "unknown-architecture",
        "The base model's architecture is not known to the installed transformers.",
        "Choose another base model, or install a newer release of the workbench.",
        r"does not recognize this architecture|Unrecognized model|Unrecognized configuration class",
    ),
    Cause(
        "targets-missing",
        "The base model has no modules of the names to be adapted.",
        "Pick target modules from the model's own list, or use all-linear.",
        r"Target modules .* not found in the base model|No modules were targeted|no module .* matches",
        every_linear_layer,
    ),
    Cause(
        "no-chat-template",
        "The base model has no chat template, so the rows cannot be rendered.",
        "Choose an instruction-tuned base model, or name a template.",
        r"chat_template is not set|has no chat template",
    ),
    Cause(
        "other-checkpoint",
        "The checkpoint belongs to a run with other settings.",
        "Start a new run with these settings.",
        r"was made with other settings|size mismatch for|Error\(s\) in loading state_dict",
    ),
    Cause(
        "token-out-of-range",
        "A row holds a token that the base model has no embedding for.",
        "Use the tokenizer that came with the base model.",
        r"index out of range in self|device-side assert",
    ),
    Cause(
        "data-unusable",
        "The dataset cannot be trained on.",
        "Look at its rows on the data page; refused rows are listed with what is wrong with them.",
        r"no row is usable|no usable row|There is no dataset",
    ),
    Cause(
        "settings-refused",
        "These settings cannot be trained.",
        "Change them, and start a new run.",
    ),
    Cause(
        "old-driver",
        "The graphics driver is older than this torch needs, or the card is not supported by it.",
        "Update the driver, or run on the CPU with CUDA_VISIBLE_DEVICES set to nothing.",
        r"CUDA driver version is insufficient|no kernel image is available|driver on your system is too old",
    ),
    Cause(
        "gpu-lost",
        "The graphics card stopped answering.",
        "Look at the machine's own log; after a restart of the driver the run can be resumed.",
        r"GPU is lost|illegal memory access|CUDA error: unknown error|no CUDA-capable device|ECC error",
    ),
    Cause(
        "shared-memory",
        "The machine's shared memory is too small.",
        "Give the container more (--shm-size=2g), then resume.",
        r"SIGBUS|bus error|unable to open shared memory|/dev/shm",
    ),
    Cause(
        "illegal-instruction",
        "A library uses an instruction that this processor does not have.",
        "Install builds for this processor; a newer machine, or another torch wheel, runs it.",
        r"SIGILL|illegal instruction",
    ),
    Cause(
        "crashed",
        "A library crashed the worker.",
        "Resume it; if it happens again, try full precision, and report it with the log.",
        r"SIGSEGV|SIGABRT|SIGFPE|segmentation fault",
        in_full_precision,
    ),
    Cause(
        "package-missing",
        "A Python package is missing or does not fit the others.",
        "Run the installation again (make run); “workbench doctor” names what does not fit.",
        r"ModuleNotFoundError|ImportError|cannot import name|undefined symbol",
    ),
    Cause(
        "too-many-files",
        "Too many files are open at once.",
        "Raise the limit (ulimit -n 4096) where the server is started, then resume.",
        r"Too many open files",
    ),
    Cause(
        "no-permission",
        "A file or folder cannot be written or read.",
        "Make the workbench home belong to whoever runs the server, then resume.",
        r"PermissionError|Permission denied|Read-only file system",
    ),
    Cause(
        "killed",
        "The worker was killed from outside: by hand, or by the system because memory ran out.",
        "Resume it; if it happens again, use a smaller batch with more accumulation.",
        r"SIGKILL|oom-kill",
        less_memory,
    ),
    Cause(
        "went-silent",
        "The worker ended while nobody watched: the machine went down, or it was killed.",
        "Resume it: it goes on from its last checkpoint.",
        r"or the machine went down",
    ),
)
"""In the order in which their marks are looked for."""
