"""The fences between rooms: who may import whom, and what must never be loaded where.

The static half reads every import statement; the live half loads a room in a fresh process and looks at
``sys.modules``.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import workbench

ROOT = Path(workbench.__file__).parent
TORCH = {"torch", "transformers", "peft", "bitsandbytes", "accelerate"}
HEAVY = TORCH | {"datasets", "pandas", "plotly", "gradio", "pyarrow", "scipy"}

FOUNDATIONS = {
    "config",
    "training_config",
    "method",
    "task",
    "part",
    "adapter_folder",
    "records",
    "events",
    "errors",
    "field_problems",
    "registry",
    "home",
    "imports",
    "presets",
    "config_file",
    "recipes",
    "finlora",
    "numbers",
}
REGISTRIES = {"methods", "formats", "tasks"}
ROOMS: dict[str, set[str]] = {
    "methods": {"calculator"},
    "formats": set(),
    "tasks": set(),
    "calculator": {"methods"},
    "models": {"calculator"},
    "data": {"formats"},
    "runs": {"data", "calculator", "models"},
    "training": {"runs", "data", "models", "calculator", "methods", "formats", "tasks"},
    "protocol": set(),
    "engine": {"runs", "data", "models", "calculator", "methods", "formats", "tasks", "training", "protocol"},
    "engine_process": {"runs", "protocol"},
    "playground": {"runs", "data", "models", "engine_process", "protocol"},
}
NEVER_BELOW = {"runs.index", "runs.supervisor", "ui", "web", "cli", "services"}
"""What a worker or the engine must not know."""


def imports_of(path: Path) -> Iterator[str]:
    """Every workbench module that the file imports anywhere, without the leading ``workbench.``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("workbench."):
            module = node.module.removeprefix("workbench.")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("workbench.") for alias in node.names if alias.name.startswith("workbench.")
            )


def files_of(room: str) -> list[Path]:
    folder = ROOT / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{room}.py"]


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    allowed = FOUNDATIONS | ROOMS[room] | {room}
    for path in files_of(room):
        strangers = {module for module in imports_of(path) if module.split(".")[0] not in allowed}
        assert not strangers, f"{path.relative_to(ROOT)} imports {sorted(strangers)}"


def test_the_foundations_import_only_each_other() -> None:
    for path in (path for name in FOUNDATIONS for path in files_of(name)):
        strangers = {module for module in imports_of(path) if module.split(".")[0] not in FOUNDATIONS}
        assert not strangers, f"{path.relative_to(ROOT)} imports {sorted(strangers)}"


@pytest.mark.parametrize("room", ["training", "engine"])
def test_worker_and_engine_do_not_know_the_server(room: str) -> None:
    for path in files_of(room):
        known = {
            module
            for module in imports_of(path)
            for never in NEVER_BELOW
            if module == never or module.startswith(f"{never}.")
        }
        assert not known, f"{path.relative_to(ROOT)} imports {sorted(known)}"


def loaded_by(statement: str) -> set[str]:
    """The top-level packages in ``sys.modules`` after `statement` ran in a fresh process."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import workbench.cli.main",
        "import workbench.services",
        "from workbench.method import METHODS; from workbench.task import TASKS; METHODS.kinds(); TASKS.kinds()",
        "from workbench.data import DatasetLibrary",
        "from workbench.playground import Playground",
        "from workbench.runs import Runs",
        "from workbench.models import Models",
    ],
)
def test_services_load_nothing_heavy(statement: str) -> None:
    assert not loaded_by(statement) & HEAVY


def test_the_served_pages_never_load_torch() -> None:
    assert not loaded_by("import workbench.web") & TORCH


@pytest.mark.parametrize("room", ["training", "engine"])
def test_worker_and_engine_never_load_gradio(room: str) -> None:
    loaded = loaded_by(
        f"import importlib, pkgutil, workbench.{room} as room\n"
        "for found in pkgutil.iter_modules(room.__path__):\n"
        "    if found.name != '__main__': importlib.import_module(f'{room.__name__}.{found.name}')"
    )
    assert "torch" in loaded
    assert "gradio" not in loaded
