"""The project's own files: exact pins, the two commands, presets that parse, and nothing that names one machine."""

from __future__ import annotations

import re
import stat
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = {".py", ".md", ".yaml", ".toml", ".txt", ".js", ".css", ".json", ""}
USERS_OWN = {"gradio", "torch", "transformers", "peft", "bitsandbytes", "datasets", "pandas", "plotly"}
UNDECLARED = {"gguf", "accelerate", "scipy", "attrs", "nvidia-ml-py", "tensorboard"}


def requirements() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs), "every requirement is pinned by =="
    return {name.lower(): version for name, version in pairs}


def test_direct_dependencies_are_pinned_exactly() -> None:
    pinned = requirements()
    assert set(pinned) >= USERS_OWN | UNDECLARED
    assert pinned["torch"] == "2.13.0"
    assert all(re.fullmatch(r"[0-9][0-9A-Za-z.]*", version) for version in pinned.values())


def test_the_top_level_holds_what_was_promised() -> None:
    for name in ("app.py", "workbench", "presets", "tests", "requirements.txt", "README.md", "benchmarks", "LICENSE"):
        assert (ROOT / name).exists(), name


def test_continuous_integration_calls_the_two_commands() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    commands = [line for line in script.read_text().splitlines() if line.startswith("make ")]
    assert commands == ["make test", "make quality"]


def test_nothing_names_a_machine_or_skips_a_test() -> None:
    rooms = ("workbench", "tests", "presets", "benchmarks", "docs")
    files = [path for room in rooms for path in (ROOT / room).rglob("*") if path.suffix in TEXT and path.is_file()]
    files += [path for path in ROOT.iterdir() if path.suffix in TEXT and path.is_file()]
    machine = re.compile("/" + "root/|/" + "work/|pytest.mark." + "skip|pytest." + "skip|x" + "fail|import" + "orskip")
    found = [str(path.relative_to(ROOT)) for path in files if machine.search(path.read_text(errors="replace"))]
    assert not found


def test_every_python_file_says_what_it_knows() -> None:
    files = [path for room in ("workbench", "benchmarks") for path in (ROOT / room).rglob("*.py")]
    silent = [path.name for path in files if not path.read_text().lstrip().startswith('"""')]
    assert not silent
