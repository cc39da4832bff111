"""The main job without a browser: train the sample for a minute or two, then ask both models the same things."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from workbench.cli.chat import answer, open_panes
from workbench.cli.connection import connect
from workbench.cli.watch import report, watch
from workbench.config import RunConfig

PROMPTS = ("How do I get a building permit?", "Who pays for the work on a shared facade?")
STEPS = 24
ANSWER_TOKENS = 60


def demo(home: Path | None) -> None:
    """Train SmolLM2 on the bundled questions and answers, and show what changed."""
    from workbench.playground import Sampling

    console = Console()
    config = RunConfig.parse(
        {
            "name": "demo",
            "method": {"kind": "lora", "rank": 8, "alpha": 16},
            "training": {"max_steps": STEPS, "learning_rate": 1e-3, "batch_size": 8, "evaluate_every": STEPS},
        }
    )
    with connect(home) as connection:
        run = connection.submit(config)
        report(watch(connection, run.id, console), console)
        for prompt in PROMPTS:
            console.print(f"\n› {prompt}", style="bold", markup=False)
            base_model, panes = open_panes(connection, config.base_model, [run.id], "")
            answer(connection, base_model, panes, prompt, Sampling(max_tokens=ANSWER_TOKENS), console)
