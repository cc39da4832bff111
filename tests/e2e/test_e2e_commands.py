"""The command line with real processes on a tiny model: alone, beside a server, and after the server is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml

PATIENCE_SECONDS = 120


@pytest.fixture
def config_file(tmp_path: Path, tiny_model_folder: Path, tiny_dataset_file: Path) -> Path:
    """A short run; the dataset is named relative to the config's own folder."""
    (tmp_path / "rows.jsonl").write_bytes(tiny_dataset_file.read_bytes())
    path = tmp_path / "run.yaml"
    settings = {
        "name": "short",
        "base_model": f"folder:{tiny_model_folder}",
        "data": {"dataset": "rows.jsonl", "validation_share": 0.2, "max_length": 64},
        "method": {"kind": "lora", "rank": 4},
        "training": {"max_steps": 3, "batch_size": 4, "learning_rate": 1e-2, "threads": 1},
    }
    path.write_text(yaml.safe_dump(settings))
    return path


class Commands:
    """Runs the command line on one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "WORKBENCH_HOME": str(home), "COLUMNS": "120"}

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Standard output, of a command that ends as expected; with its errors when it should fail."""
        command = [sys.executable, "-m", "workbench", *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout if expect == 0 else done.stderr

    def data(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def wait_for(self, run_id: str, status: str, step: int = 0) -> dict[str, Any]:
        """What the command shows of a run that has come so far; when that is, the server is asked, which costs less."""
        address = json.loads((self.home / "server.json").read_text())["address"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            run = httpx.get(f"{address}/api/runs/{run_id}").json()
            if run["status"] == status and run["step"] >= step:
                break
            assert time.monotonic() < deadline, run
            time.sleep(0.2)
        shown: dict[str, Any] = self.data("runs", "show", run_id)
        return shown


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path / "home")


class Served(NamedTuple):
    """A server, and the command line on its home."""

    process: subprocess.Popen[str]
    commands: Commands


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """``python app.py`` on a free port, once it says what to open."""
    commands = Commands(tmp_path_factory.mktemp("served") / "home")
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", "0"],
        env=commands.environment,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert "open http://127.0.0.1:" in process.stdout.readline()
    yield Served(process, commands)
    process.terminate()
    process.wait(PATIENCE_SECONDS)


def test_without_a_server_a_run_is_trained_listed_and_talked_to(commands: Commands, config_file: Path) -> None:
    printed = commands.run("train", str(config_file))
    assert "finished at step 3" in printed
    (run,) = commands.data("runs")
    assert (run["name"], run["status"], run["step"]) == ("short", "finished", 3)
    adapter = commands.home / "runs" / run["id"] / "adapter"
    assert (adapter / "adapter_model.safetensors").is_file()
    answers = commands.run("chat", "--adapter", "short", "--prompt", "What is roof 3 made of?", "--max-tokens", "8")
    assert "base model" in answers
    assert "short" in answers
    assert "8 tokens" in answers
    commands.run("reindex")
    assert commands.data("runs") == [run]


def test_a_detached_run_goes_on_by_itself_and_can_be_stopped_and_resumed(served: Served, config_file: Path) -> None:
    commands = served.commands
    settings = yaml.safe_load(config_file.read_text())
    settings["training"] |= {"max_steps": 3000, "save_every": 5, "evaluate_every": 3000}
    config_file.write_text(yaml.safe_dump(settings))
    commands.run("train", str(config_file), "--detach")
    (run,) = commands.data("runs")
    commands.wait_for(run["id"], "running", step=1)
    commands.run("stop", run["id"])
    stopped = commands.wait_for(run["id"], "stopped")
    assert 1 <= stopped["step"] < 3000
    assert stopped["checkpoints"]
    commands.run("resume", run["id"], "--detach")
    commands.wait_for(run["id"], "running", step=stopped["step"] + 1)
    commands.run("stop", run["id"])
    commands.wait_for(run["id"], "stopped", step=stopped["step"] + 1)


def test_a_second_server_of_one_home_is_refused_and_names_the_first(served: Served) -> None:
    errors = served.commands.run("serve", "--port", "0", expect=1)
    assert "is in use by the server at http://127.0.0.1:" in errors
    assert str(served.process.pid) in errors


def test_every_problem_of_a_run_is_printed_before_anything_starts(commands: Commands, config_file: Path) -> None:
    settings = yaml.safe_load(config_file.read_text())
    settings["data"]["dataset"] = "nowhere.jsonl"
    settings["method"] |= {"rank": 4000, "target_modules": ["no_such_module"]}
    config_file.write_text(yaml.safe_dump(settings))
    errors = commands.run("train", str(config_file), expect=1)
    assert "data.dataset" in errors
    assert "method.target_modules" in errors
    assert commands.data("runs") == []


def test_a_busy_port_is_said_so(served: Served, tmp_path: Path) -> None:
    address = json.loads((served.commands.home / "server.json").read_text())["address"]
    other = Commands(tmp_path / "other")
    errors = other.run("serve", "--port", address.rsplit(":", 1)[1], expect=1)
    assert "cannot be used" in errors
    assert "--port" in errors


def test_doctor_finds_nothing_to_mend_here(commands: Commands) -> None:
    printed = commands.run("doctor")
    assert "torch" in printed
    assert "look" not in printed.split()
