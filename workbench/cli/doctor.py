"""What this machine and this home can do, in one table, each line with what to do when it is not well."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from workbench import __version__
from workbench.home import Home

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "datasets", "gradio", "pandas", "plotly")
ENOUGH_DISK_BYTES = 5 * 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    found: str
    remedy: str = ""
    """Empty when all is well."""


def doctor(home_option: Path | None) -> int:
    """Print every finding; the number of those that need doing something about."""
    home = Home.locate(home_option)
    findings = [*_machine(home), *_packages(), *_home(home)]
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        mark = "[red]look[/]" if finding.remedy else "[green]ok[/]"
        table.add_row(mark, finding.what, f"{finding.found} {finding.remedy}".strip())
    Console().print(table)
    return sum(bool(finding.remedy) for finding in findings)


def _machine(home: Home) -> Iterator[Finding]:
    yield Finding("workbench", f"{__version__} on Python {platform.python_version()} ({sys.executable})")
    yield Finding("processor", f"{os.cpu_count()} cores, {_memory()} memory")
    yield Finding("GPU", ", ".join(_gpus()) or "none: runs train on the CPU")
    free = shutil.disk_usage(_existing(home.path)).free
    short = "" if free >= ENOUGH_DISK_BYTES else "Free some: a model and its checkpoints take gigabytes."
    yield Finding("disk", f"{free / 2**30:.1f} GiB free at {home.path}", short)


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _memory() -> str:
    import psutil

    memory = psutil.virtual_memory()
    return f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"


def _gpus() -> list[str]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [
            f"{pynvml.nvmlDeviceGetName(h)} ({pynvml.nvmlDeviceGetMemoryInfo(h).total / 2**30:.0f} GiB)"
            for h in handles
        ]
    finally:
        pynvml.nvmlShutdown()


def _packages() -> Iterator[Finding]:
    wanted = {
        line.partition("==")[0].lower(): line.partition("==")[2]
        for line in importlib.metadata.requires("lora-workbench") or ()
        if "extra ==" not in line
    }
    for name in PACKAGES:
        pin = wanted.get(name, "")
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "not installed.", "Install it: make run, or pip install -r requirements.txt")
            continue
        same = not pin or version.partition("+")[0] == pin
        yield Finding(name, version, "" if same else f"This version was tested: {pin}.")


def _home(home: Home) -> Iterator[Finding]:
    from workbench.models import Models
    from workbench.runs.owner import owner_of

    owner = owner_of(home)
    yield Finding("server", f"pid {owner.pid} {owner.address or ''}".rstrip() if owner else "none runs on this home")
    ready = [card.name for card in Models(home).cards() if card.ready]
    yield Finding("base models on disk", ", ".join(ready) or "none yet: the first run prepares the bundled one")
    yield Finding("hub token", "set" if os.environ.get("HF_TOKEN") else "not set: gated models need HF_TOKEN")
