"""The server under load: ``python benchmarks/run_load.py`` prints each figure beside its target; exit 1 below one.

- 50 tabs look at one live run for 20 seconds, asking as often as the page does: processor time of the server, p95;
- a worker logs 50 steps a second meanwhile: nothing may be lost, nothing told twice;
- 1,000 runs, one of them with 100,000 steps: list, search, run page, and the index made again from the folders.

The worker logs without training, so that the figures are the server's. ``serve`` and ``work`` are the benchmark's own
sub-processes.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from workbench.config import RunConfig
from workbench.events import CheckpointSaved, Evaluated, Finished, Phase, PhaseChanged, Started, StepLogged
from workbench.home import Home
from workbench.runs import Runs, history
from workbench.runs.events_log import EventWriter
from workbench.runs.executors.local import LocalExecutor
from workbench.runs.folder import RunFolder
from workbench.runs.lock import run_lock
from workbench.runs.pulse import Pulse

TABS, SECONDS, RATE = 50, 20, 50
RUNS, STEPS = 1000, 100_000


def step(number: int) -> StepLogged:
    return StepLogged(
        step=number,
        epoch=number / 1000,
        loss=2.0 + 1.0 / number,
        learning_rate=1e-4,
        grad_norm=1.0,
        tokens=number * 800,
        tokens_per_second=150.0,
        elapsed=number * 0.02,
        memory_bytes=10**9,
    )


class Figures:
    """What was measured, each against the most it may be."""

    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []
        self.held = True

    def add(self, name: str, value: float, target: float, unit: str) -> None:
        self.held &= value <= target
        self.lines.append({"figure": name, "value": round(value, 1), "target": target, "unit": unit})
        print(f"{name:55} {value:10.1f}   at most {target:g} {unit}", flush=True)


# --- the sub-processes ---


def work(path: Path) -> None:
    """Log `RATE` steps a second until told to stop."""
    folder = RunFolder(path)
    with run_lock(folder), Pulse(folder) as pulse:
        events = EventWriter(folder)
        events.write(
            Started(total_steps=10**6, trainable=10**6, base_parameters=10**8, train_rows=500, validation_rows=10)
        )
        events.write(PhaseChanged(phase=Phase.TRAINING))
        began, number = time.monotonic(), 0
        while not folder.stop_requested():
            number += 1
            pulse.phase, pulse.step = Phase.TRAINING, number
            events.write(step(number))
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        events.write(Finished(step=number, stopped=True))


def serve(path: Path, port: int) -> None:
    """The whole server, with the worker above in the place of the real one."""
    import uvicorn

    from workbench.data import DatasetLibrary
    from workbench.engine_process import EngineProcess
    from workbench.models import Models
    from workbench.playground import Playground
    from workbench.services import Services
    from workbench.web import ServeOptions, build_app

    home = Home(path)
    engine, runs = EngineProcess(home), Runs(home, LocalExecutor((sys.executable, __file__, "work")))
    runs.start()
    services = Services(home, Models(home), DatasetLibrary(home), runs, engine, Playground(engine, runs))
    app = build_app(services, ServeOptions(port=port))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


# --- what is measured ---


@contextmanager
def server(home: Home) -> Iterator[tuple[str, psutil.Process]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, __file__, "serve", str(home.path), str(port)]) as process:
        try:
            deadline = time.monotonic() + 120
            while not _answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the server did not start")
                time.sleep(0.1)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/api/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


async def tab(client: httpx.AsyncClient, run_id: str, start: float, spent: list[float]) -> list[int]:
    """What the page of a run does: once a second, the run, what is new of its metrics, and the end of its log."""
    cursor, seen = 0, []
    await asyncio.sleep(start)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        delta = (await _timed(client, f"/api/runs/{run_id}/live?after={cursor}", spent)).json()["metrics"]
        assert not delta["reset"]
        cursor = delta["cursor"]
        seen += delta["steps"]["step"]
        await asyncio.sleep(1.0)
    return seen


async def _timed(client: httpx.AsyncClient, path: str, spent: list[float]) -> httpx.Response:
    began = time.perf_counter()
    answer = await client.get(path)
    spent.append(time.perf_counter() - began)
    answer.raise_for_status()
    return answer


async def watch(address: str, run_id: str) -> tuple[list[float], list[list[int]]]:
    spent: list[float] = []
    limits = httpx.Limits(max_connections=2 * TABS, max_keepalive_connections=2 * TABS)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=30) as client:
        tabs = [tab(client, run_id, number / TABS, spent) for number in range(TABS)]
        return spent, await asyncio.gather(*tabs)


def live(figures: Figures) -> None:
    """50 tabs on one run that logs 50 steps a second."""
    with _home() as home, server(home) as (address, process):
        folder = RunFolder.create(home, RunConfig(name="live"))
        while folder.heartbeat() is None:
            time.sleep(0.1)
        time.sleep(3)
        before, began = process.cpu_times(), time.monotonic()
        spent, seen = asyncio.run(watch(address, folder.id))
        after, took = process.cpu_times(), time.monotonic() - began
        busy = sum(after[:2]) - sum(before[:2])
        httpx.post(f"{address}/api/runs/{folder.id}/stop").raise_for_status()
        while not any(isinstance(event, Finished) for event in folder.events()):
            time.sleep(0.1)
        logged = [event.step for event in folder.events() if isinstance(event, StepLogged)]
        while httpx.get(f"{address}/api/runs/{folder.id}").json()["status"] != "stopped":
            time.sleep(0.1)
        shown = httpx.get(f"{address}/api/runs/{folder.id}/metrics", timeout=30).json()["steps"]["step"]
    figures.add(f"{TABS} tabs: server, share of one core", 100 * busy / took, 15, "%")
    figures.add(f"{TABS} tabs: answer, p95", 1000 * statistics.quantiles(spent, n=20)[-1], 50, "ms")
    faulty = sum(steps != list(range(steps[0], steps[0] + len(steps))) for steps in seen)
    figures.add(f"{TABS} tabs: tabs that missed a step, or saw one twice", faulty, 0, "")
    figures.add(f"of {len(logged)} logged steps, lost or told twice", len(logged) if logged != shown else 0, 0, "")


def _many(home: Home) -> str:
    """1,000 finished runs; returns the id of the one with 100,000 steps."""
    first = RunFolder.create(home, RunConfig(name="long"), run_id="long")
    _finish(first, STEPS)
    template = RunFolder.create(home, RunConfig(name="short"), run_id="r0001")
    _finish(template, 20)
    for number in range(2, RUNS):
        copy = home.runs / f"r{number:04d}"
        shutil.copytree(template.path, copy)
    return first.id


def _finish(folder: RunFolder, steps: int) -> None:
    worker = history.Worker(executor="local", pid=1, mark="gone", host="here")
    history.append(folder.history_file, history.Launched(time=time.time(), worker=worker, after=0))
    events = EventWriter(folder)
    events.write(Started(total_steps=steps, trainable=10**6, base_parameters=10**8, train_rows=500, validation_rows=10))
    for number in range(1, steps + 1):
        events.write(step(number))
    events.write(Evaluated(step=steps, loss=2.0, tokens=100))
    events.write(CheckpointSaved(step=steps, name=f"checkpoint-{steps}", bytes=1))
    events.write(Finished(step=steps, stopped=False))
    events.close()


def large(figures: Figures) -> None:
    """A home with many runs and a long one."""
    with _home() as home:
        long = _many(home)
        runs = Runs(home, LocalExecutor(("false",)), lanes=())
        runs.start()
        while len(runs.list()) < RUNS:
            time.sleep(0.05)
        figures.add(f"the index of {RUNS} runs made again", _best(runs.reindex, 1), 30_000, "ms")
        runs.close()
        with server(home) as (address, _), httpx.Client(base_url=address, timeout=60) as client:
            while len(client.get("/api/runs").json()) < RUNS:
                time.sleep(0.1)
            figures.add(f"list of {RUNS} runs", _best(lambda: client.get("/api/runs")), 300, "ms")
            query = "/api/runs?query=status:finished%20short"
            figures.add(f"search in {RUNS} runs", _best(lambda: client.get(query)), 300, "ms")
            page = f"/api/runs/{long}/live"
            figures.add(f"metrics of {STEPS} steps, as the page asks", _best(lambda: client.get(page)), 1000, "ms")
            figures.add(f"table of {RUNS} runs, asked for and drawn", _drawn(address), 1000, "ms")


def _drawn(address: str) -> float:
    """Median milliseconds in a headless Chromium, from asking to the laid-out table."""
    from browser import browser_path
    from playwright.sync_api import sync_playwright

    shown = "document.querySelector('lw-runs').view"
    anew = (
        f"async () => {{ {shown}.rows.rows.clear(); const began = performance.now();"
        f" await {shown}.refresh(); document.body.offsetHeight; return performance.now() - began; }}"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{address}/runs")
        page.get_by_role("row").nth(RUNS).wait_for()
        spent = [float(page.evaluate(anew)) for _ in range(5)]
        browser.close()
    return statistics.median(spent)


def _best(call: Callable[[], object], times: int = 5) -> float:
    """Median milliseconds."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        spent.append(1000 * (time.perf_counter() - began))
    return statistics.median(spent)


@contextmanager
def _home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder:
        yield Home(Path(folder))


def main() -> int:
    figures = Figures()
    live(figures)
    large(figures)
    print(json.dumps(figures.lines))
    return 0 if figures.held else 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    match sys.argv[1:]:
        case ["work", path]:
            work(Path(path))
        case ["serve", path, port]:
            serve(Path(path), int(port))
        case _:
            sys.exit(main())
