"""The real engine process over HTTP: panes at once, stopping, dying and coming back, and who may talk to it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from engine_homes import save_run
from slowing import engine_of, slowed

from workbench.engine_process import EngineProcess
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.playground import Delta, Playground, Sampling
from workbench.playground.adapters import AdapterLibrary
from workbench.protocol.engine import EnginePhase, TokeniseRequest
from workbench.records.datasets import Conversation, Message
from workbench.runs import Runs

QUESTION = [Message(role="user", content="What is brick number 3 made of?")]
LONG = Sampling(max_tokens=150, temperature=1.0, seed=5)
SHORT = Sampling(max_tokens=12)


@pytest.fixture(scope="module")
def engine_home(tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> Home:
    home = Home(tmp_path_factory.mktemp("engine-home"))
    save_run(home, "one", tiny_model_folder, seed=1)
    save_run(home, "two", tiny_model_folder, seed=2)
    return home


@pytest.fixture(scope="module")
def engine(engine_home: Home) -> Iterator[EngineProcess]:
    process = EngineProcess(engine_home)
    yield process
    process.close()


@pytest.fixture(scope="module")
def playground(engine: EngineProcess) -> Playground:
    return Playground(engine, Runs(engine.home))


@pytest.fixture
def base_model(tiny_model_folder: Path) -> str:
    return f"folder:{tiny_model_folder}"


def answer(playground: Playground, pane: str, base_model: str, sampling: Sampling = SHORT) -> tuple[str, Delta]:
    deltas = list(playground.stream(pane, base_model, QUESTION, sampling))
    return "".join(delta.text for delta in deltas), deltas[-1]


def test_nothing_runs_until_it_is_needed(engine_home: Home) -> None:
    idle = EngineProcess(engine_home)
    assert not idle.running()
    assert idle.status().phase == EnginePhase.STOPPED


def test_an_adapter_answers_otherwise_than_the_base_and_says_who_it_is(playground: Playground, base_model: str) -> None:
    base_text, base_end = answer(playground, "base", base_model)
    text, end = answer(playground, "one", base_model)
    assert text != base_text
    assert base_end.adapter_hash is None
    assert end.facts is not None
    assert end.facts.adapter is not None
    assert end.facts.adapter.rank == 4
    assert len(end.adapter_hash or "") == 12
    assert end.facts.distance is not None
    assert end.facts.distance.kl > 0.01
    assert end.facts.distance.top != end.facts.distance.top_base


def test_who_answers_is_known_before_the_first_token(playground: Playground, base_model: str) -> None:
    stream = playground.stream("one@0.5", base_model, QUESTION, LONG)
    told = next(delta for delta in stream if delta.facts)
    assert (told.text, told.done) == ("", False)
    assert told.facts is not None
    assert told.facts.adapter is not None
    assert (told.facts.adapter.name, told.facts.adapter.rank, told.facts.adapter.strength) == ("one", 4, 0.5)
    assert told.adapter_hash == told.facts.adapter.hash
    assert next(delta for delta in stream if delta.text).facts is None
    stream.close()


def test_strength_scales_the_adapter(playground: Playground, base_model: str) -> None:
    base_text, _ = answer(playground, "base", base_model)
    off_text, off = answer(playground, "one@0", base_model)
    _, half = answer(playground, "one@0.5", base_model)
    _, full = answer(playground, "one", base_model)
    assert off_text == base_text
    found = [end.facts.distance.kl for end in (off, half, full) if end.facts and end.facts.distance]
    assert found[0] < 1e-6
    assert found[1] > 0.01
    assert found[1] != found[2]


def test_panes_stream_at_the_same_time(playground: Playground, base_model: str) -> None:
    times: dict[str, list[float]] = {"base": [], "one": [], "two": []}

    def read(pane: str) -> None:
        for delta in playground.stream(pane, base_model, QUESTION, LONG):
            if delta.text:
                times[pane].append(time.monotonic())

    threads = [threading.Thread(target=read, args=(pane,)) for pane in times]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(seen[0] for seen in times.values()) < min(seen[-1] for seen in times.values())


def test_the_same_seed_gives_the_same_answer_with_other_panes_open(playground: Playground, base_model: str) -> None:
    alone, _ = answer(playground, "one", base_model, LONG)
    others = [threading.Thread(target=answer, args=(playground, pane, base_model, LONG)) for pane in ("base", "two")]
    for other in others:
        other.start()
    together, _ = answer(playground, "one", base_model, LONG)
    for other in others:
        other.join()
    different, _ = answer(playground, "one", base_model, LONG.model_copy(update={"seed": 6}))
    assert together == alone
    assert different != alone


def test_a_closed_stream_ends_the_generation(playground: Playground, engine: EngineProcess, base_model: str) -> None:
    sampling = Sampling(max_tokens=230, temperature=1.5, seed=5)
    _, whole = answer(playground, "one", base_model, sampling)
    before = engine.status().models[0].written
    with slowed(engine_of(os.getpid())):
        stream = playground.stream("one", base_model, QUESTION, sampling)
        next(delta for delta in stream if delta.text)
        stream.close()
    deadline = time.monotonic() + 20
    while engine.status().models[0].rows:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert engine.status().models[0].written < before + whole.tokens


def test_a_run_that_needs_the_memory_gets_it_and_the_next_message_loads_the_base_again(
    playground: Playground, engine: EngineProcess, base_model: str, engine_home: Home
) -> None:
    stream = playground.stream("one", base_model, QUESTION, LONG)
    next(delta for delta in stream if delta.text)
    engine.release("a run needed the memory")
    assert list(stream)[-1].done, "an answer that was begun is completed"
    deadline = time.monotonic() + 20
    while engine.status().models[0].phase != EnginePhase.UNLOADED:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    told = engine.status()
    assert told.models[0].detail == "a run needed the memory"
    assert (told.phase, told.models[0].adapters) == (EnginePhase.UNLOADED, ())
    deltas = list(playground.stream("one", base_model, QUESTION, SHORT))
    assert deltas[-1].done
    assert engine.status().phase == EnginePhase.READY
    EngineProcess(engine_home).release("never started for this")


def test_ten_users_are_served_and_told_their_place(
    playground: Playground, engine: EngineProcess, base_model: str
) -> None:
    told: list[tuple[str, list[Delta]]] = [
        (f"{pane}@{number / 10}", []) for number in range(1, 11) for pane in ("one", "two", "one")
    ]

    def read(pane: str, deltas: list[Delta]) -> None:
        deltas.extend(playground.stream(pane, base_model, QUESTION, LONG))

    threads = [threading.Thread(target=read, args=one) for one in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(deltas[-1].done and deltas[-1].tokens > 1 for _, deltas in told)
    places = {delta.phase for _, deltas in told for delta in deltas if "place" in delta.phase}
    assert "waiting, place 1: in the queue" in places


def test_a_reader_that_leaves_the_queue_gives_its_place_away(
    playground: Playground, engine: EngineProcess, base_model: str
) -> None:
    sampling = Sampling(max_tokens=230, temperature=1.5, seed=5)
    streams = [playground.stream(f"one@{place / 10}", base_model, QUESTION, sampling) for place in range(1, 18)]
    for stream in streams:
        next(stream)  # the last one is told its place
    streams[-1].close()
    deadline = time.monotonic() + 2
    while engine.status().models[0].waiting:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for stream in streams:
        stream.close()


def test_a_killed_engine_breaks_the_answer_and_the_next_one_works(
    playground: Playground, engine: EngineProcess, base_model: str
) -> None:
    stream = playground.stream("one", base_model, QUESTION, Sampling(max_tokens=230, temperature=1.5, seed=5))
    next(delta for delta in stream if delta.text)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(WorkbenchError, match="engine stopped"):
        list(stream)
    text, end = answer(playground, "one", base_model)
    assert text
    assert end.done


def test_a_hanging_engine_is_replaced(
    engine: EngineProcess, playground: Playground, base_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.engine_process.HEALTH_SECONDS", 0.5)
    monkeypatch.setattr("workbench.engine_process.TRUSTED_SECONDS", 0.0)
    first = engine.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    text, _ = answer(playground, "base", base_model)
    assert text
    assert engine.pid != first


def test_refusals_reach_the_pane(playground: Playground, base_model: str, engine_home: Home) -> None:
    with pytest.raises(WorkbenchError, match="no run “missing”"):
        answer(playground, "missing", base_model)
    with pytest.raises(WorkbenchError, match="not a model id"):
        answer(playground, "../one", base_model)
    with pytest.raises(WorkbenchError, match="is an adapter of"):
        answer(playground, "one", "folder:/elsewhere")
    too_long = [Message(role="user", content="brick " * 400)]
    with pytest.raises(WorkbenchError, match="context holds 256"):
        list(playground.stream("base", base_model, too_long, SHORT))


def test_old_turns_are_left_out_where_the_context_is_full_and_it_says_so(
    playground: Playground, base_model: str
) -> None:
    turns = [Message(role="system", content="Be brief.")]
    for number in range(20):
        turns.append(Message(role="user", content=f"What is door {number} made of?"))
        turns.append(Message(role="assistant", content="The door is made of clay and sand."))
    turns.append(QUESTION[0])
    facts = list(playground.stream("one", base_model, turns, SHORT))[-1].facts
    assert facts is not None
    assert facts.cut_turns >= 2
    assert facts.cut_turns % 2 == 0
    assert facts.cut_tokens > 50
    assert 100 < facts.prompt_tokens <= 256 - 64
    short = list(playground.stream("one", base_model, QUESTION, SHORT))[-1].facts
    assert short is not None
    assert (short.cut_turns, short.cut_tokens) == (0, 0)


def test_distance_and_likelihood_of_an_answer_can_be_asked(playground: Playground, base_model: str) -> None:
    told = playground.compare("one", base_model, QUESTION)
    assert told.distance.kl > 0.01
    assert not told.distance.lower_bound
    _, end = answer(playground, "one", base_model)
    assert end.facts is not None
    assert end.facts.distance is not None
    assert told.distance.kl == pytest.approx(end.facts.distance.kl, rel=1e-3)
    assert playground.compare("one@0", base_model, QUESTION).distance.kl < 1e-6
    score = playground.score("one", base_model, QUESTION, "It is clay.", other="two")
    assert "".join(token.text for token in score.tokens).startswith("It is clay.")
    assert score.nll == pytest.approx(-sum(token.logprob for token in score.tokens))
    assert score.other_nll != score.nll


def test_an_added_adapter_answers_as_the_run_it_came_from_with_its_own_template(
    playground: Playground, engine_home: Home, engine: EngineProcess, base_model: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(engine_home.runs / "one" / "adapter", tmp_path / "copy"))
    library = AdapterLibrary(engine_home, engine.blueprint)
    plain = library.add_folder(str(folder), base_model)
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %} Answer:")
    templated = library.add_folder(str(folder), base_model, "templated")
    wanted, run_end = answer(playground, "one", base_model)
    text, end = answer(playground, plain.id, base_model)
    assert (text, end.adapter_hash) == (wanted, run_end.adapter_hash)
    _, half_end = answer(playground, f"{templated.id}@0.5", base_model)
    assert half_end.facts is not None
    assert run_end.facts is not None
    assert half_end.facts.prompt_tokens < run_end.facts.prompt_tokens
    library.remove(plain.id)
    with pytest.raises(WorkbenchError, match="nor an added adapter"):
        answer(playground, plain.id, base_model)


def test_the_token_is_needed(engine: EngineProcess) -> None:
    address = engine.client().base_url
    assert httpx.get(f"{address}/health").status_code == 401
    assert httpx.get(f"{address}/health", headers={"Authorization": "Bearer x"}).status_code == 401
    assert engine.client().get("/health").json() == {"ok": True}


def test_blueprint_and_tokens(engine: EngineProcess, base_model: str) -> None:
    assert engine.blueprint(base_model).num_layers == 3
    chat = (Message(role="user", content="Grüße 🏠?"), Message(role="assistant", content="brick"))
    asked = TokeniseRequest(model=base_model, conversations=(Conversation(line=1, messages=chat),))
    told = engine.tokenise(asked).conversations[0]
    assert "".join(told.pieces) == ("<|im_start|>user\nGrüße 🏠?<|im_end|>\n<|im_start|>assistant\nbrick<|im_end|>\n")
    trained = "".join(piece for piece, counts in zip(told.pieces, told.trained, strict=True) if counts)
    assert trained == "brick<|im_end|>"


def test_the_engine_ends_with_its_parent(engine_home: Home) -> None:
    code = (
        "import sys, pathlib, os, signal\n"
        "from workbench.engine_process import EngineProcess\n"
        "from workbench.home import Home\n"
        f"engine = EngineProcess(Home(pathlib.Path({str(engine_home.path)!r})))\n"
        "engine.client(); print(engine.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid = int(child.stdout)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)
