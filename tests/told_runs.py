"""Runs that are over, written straight into their folders: everything a worker would have told, without a worker."""

from __future__ import annotations

import json
import math
import time

from workbench.config import RunConfig
from workbench.events import (
    Answered,
    CheckpointSaved,
    Evaluated,
    Failed,
    Finished,
    Phase,
    PhaseChanged,
    RanksMoved,
    Started,
    StepLogged,
)
from workbench.home import Home
from workbench.runs import history, manifest
from workbench.runs.events_log import EventWriter
from workbench.runs.folder import RunFolder

PROMPTS = ("How long does a building permit take?", "Do I need a fire protection plan?")
NOBODY = history.Worker(executor="local", pid=1, mark="another-boot:1", host="here")
OUT_OF_MEMORY = Failed(
    message="The machine ran out of memory.",
    remedy="Halve the batch size and double gradient accumulation.",
    cause="out-of-memory",
    traceback="Traceback (most recent call last):\nRuntimeError: DefaultCPUAllocator: can't allocate memory",
)


def told_run(
    home: Home,
    name: str,
    *,
    rank: int = 8,
    steps: int = 40,
    floor: float = 1.3,
    end: Failed | None = None,
    moves: bool = False,
) -> RunFolder:
    """A run of `steps` steps whose eval loss falls towards `floor`, evaluated and saved every tenth step.

    One that `moves` its ranks loses one from each of two modules in that time.
    """
    settings = {"name": name, "method": {"kind": "lora", "rank": rank}, "training": {"max_steps": steps}}
    folder = RunFolder.create(home, RunConfig.parse(settings))
    history.append(folder.history_file, history.Launched(time=time.time(), worker=NOBODY, after=0))
    events = EventWriter(folder)
    events.write(PhaseChanged(phase=Phase.TRAINING))
    events.write(
        Started(
            total_steps=steps, trainable=rank * 305_280, base_parameters=134_515_008, train_rows=9, validation_rows=1
        )
    )
    for step in range(1, steps + 1):
        loss = floor + 1.7 * math.exp(-step / 15)
        events.write(_step(step, loss))
        if step % 10 == 0:
            _evaluate(folder, events, step, loss + 0.1)
        if moves and step % 10 == 0:
            left = {f"layers.{layer}.self_attn.q_proj": rank - step // 10 for layer in range(2)}
            events.write(RanksMoved(step=step, total=sum(left.values()), ranks=json.dumps(left)))
    events.write(end or Finished(step=steps, stopped=False))
    events.close()
    if end is None:
        folder.adapter.mkdir()
        (folder.adapter / "adapter_config.json").write_text("{}")
    folder.log.write_text("".join(f"line {number} of the log\n" for number in range(60)))
    return folder


def _step(step: int, loss: float) -> StepLogged:
    return StepLogged(
        step=step,
        epoch=step / 60,
        loss=loss + 0.1 * math.sin(step * 1.7),
        learning_rate=2e-4,
        grad_norm=0.9,
        tokens=step * 810,
        tokens_per_second=180.0,
        elapsed=step * 4.4,
        memory_bytes=2_400_000_000,
    )


def _evaluate(folder: RunFolder, events: EventWriter, step: int, loss: float) -> None:
    events.write(Evaluated(step=step, loss=loss, tokens=1800))
    for prompt in PROMPTS:
        events.write(Answered(step=step, prompt=prompt, text=f"About {step} weeks. {prompt}", tokens=9))
    path = folder.checkpoints_dir / f"checkpoint-{step}"
    path.mkdir()
    (path / "adapter_model.safetensors").write_bytes(b"0" * 100_000)
    manifest.write_manifest(path)
    events.write(CheckpointSaved(step=step, name=path.name, bytes=100_000, eval_loss=loss))
