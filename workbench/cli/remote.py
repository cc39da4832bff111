"""The workbench of another process, over its HTTP API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import SplitResult, urlsplit

import httpx

from workbench.config import RunConfig
from workbench.errors import Problem, WorkbenchError
from workbench.records.base_models import ParameterCount
from workbench.records.datasets import Dataset, Message
from workbench.records.runs import MetricsDelta, Run
from workbench.runs.comparison import Comparison
from workbench.runs.range_tests import RangeTest

if TYPE_CHECKING:
    from workbench.playground import Delta, PaneChoice, Sampling
    from workbench.playground.batch_records import BatchFigures, BatchRequest, BatchState
    from workbench.playground.prompt_files import PromptsShown


class Remote:
    """A `Connection` to the server at `address`; every refusal of it comes back as the `WorkbenchError` it was.

    The address may name a user, ``http://ann@host:7860``. With `sends_files` the server is on another machine: a
    dataset that is a file here is put into its library first.
    """

    def __init__(self, address: str, *, password: str | None = None, sends_files: bool = False) -> None:
        place = _place(address)
        auth = httpx.BasicAuth(place.username or "", password) if password else None
        self._address = f"{place.scheme}://{place.netloc.rpartition('@')[2]}{place.path.rstrip('/')}"
        self._sends_files = sends_files
        self._client = httpx.Client(
            base_url=self._address, auth=auth, timeout=httpx.Timeout(60, read=600), trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def submit(self, config: RunConfig) -> Run:
        return Run.model_validate(self._ask("POST", "/api/runs", json=self._values(config)))

    def go_on(self, run_id: str, changes: Mapping[str, Any], checkpoint: str) -> Run:
        body = {"changes": dict(changes), "checkpoint": checkpoint}
        return Run.model_validate(self._ask("POST", f"/api/runs/{run_id}/continue", json=body))

    def runs(self, query: str = "", sort: str = "-created") -> Sequence[Run]:
        found = self._ask("GET", "/api/runs", params={"query": query, "sort": sort})
        return [Run.model_validate(run) for run in found]

    def run(self, run_id: str) -> Run:
        return Run.model_validate(self._ask("GET", f"/api/runs/{run_id}"))

    def metrics(self, run_id: str, after: int = 0, points: int | None = None) -> MetricsDelta:
        wanted = {"after": after} | ({"points": points} if points is not None else {})
        return MetricsDelta.model_validate(self._ask("GET", f"/api/runs/{run_id}/metrics", params=wanted))

    def compare(self, run_ids: Sequence[str]) -> Comparison:
        return Comparison.model_validate(self._ask("GET", "/api/comparison", params={"runs": ",".join(run_ids)}))

    def log(self, run_id: str, lines: int = 40) -> str:
        return str(self._ask("GET", f"/api/runs/{run_id}/log", params={"lines": lines})["log"])

    def stop(self, run_id: str) -> Run:
        return Run.model_validate(self._ask("POST", f"/api/runs/{run_id}/stop"))

    def cancel(self, run_id: str) -> Run:
        return Run.model_validate(self._ask("POST", f"/api/runs/{run_id}/cancel"))

    def resume(self, run_id: str) -> Run:
        return Run.model_validate(self._ask("POST", f"/api/runs/{run_id}/resume"))

    def label(self, run_id: str, changes: Mapping[str, Any]) -> Run:
        return Run.model_validate(self._ask("PATCH", f"/api/runs/{run_id}", json=dict(changes)))

    def delete(self, run_id: str) -> None:
        self._ask("DELETE", f"/api/runs/{run_id}")

    def count(self, config: RunConfig) -> ParameterCount:
        return ParameterCount.model_validate(self._ask("POST", "/api/params", json=config.model_dump(mode="json")))

    def api_key(self, *, new: bool = False) -> str:
        """The key of the server's endpoint for programs."""
        told = self._ask("POST", "/api/endpoint/key") if new else self._ask("GET", "/api/endpoint")
        return str(told["key"])

    def find_learning_rate(self, config: RunConfig) -> RangeTest:
        return RangeTest.model_validate(self._ask("POST", "/api/range-tests", json=self._values(config)))

    def range_test(self, test_id: str) -> RangeTest:
        return RangeTest.model_validate(self._ask("GET", f"/api/range-tests/{test_id}"))

    def stop_range_test(self, test_id: str) -> RangeTest:
        return RangeTest.model_validate(self._ask("POST", f"/api/range-tests/{test_id}/stop"))

    def choices(self) -> Sequence[PaneChoice]:
        from workbench.playground import PaneChoice

        return [PaneChoice.model_validate(choice) for choice in self._ask("GET", "/api/chat/choices")]

    def stream(self, model: str, base_model: str, messages: Sequence[Message], sampling: Sampling) -> Iterator[Delta]:
        from workbench.playground import Delta

        body = {
            "model": model,
            "base_model": base_model,
            "messages": [message.model_dump() for message in messages],
            "sampling": sampling.model_dump(),
        }
        with self._client.stream("POST", "/api/chat", json=body) as response:
            if response.is_error:
                response.read()
                raise _refusal(response)
            failed = False
            for line in response.iter_lines():
                failed = failed or line == "event: problem"
                if not line.startswith("data: "):
                    continue
                data = line.removeprefix("data: ")
                if failed:
                    raise WorkbenchError.of(Problem(**problem) for problem in json.loads(data))
                yield Delta.model_validate_json(data)

    def send_prompts(self, path: Path) -> PromptsShown:
        from workbench.playground.prompt_files import PromptsShown

        with path.open("rb") as file:
            found = self._ask("POST", "/api/batches/prompts", params={"name": path.name}, content=file)
        return PromptsShown.model_validate(found)

    def begin_batch(self, request: BatchRequest) -> BatchState:
        from workbench.playground.batch_records import BatchState

        return BatchState.model_validate(self._ask("POST", "/api/batches", json=request.model_dump(mode="json")))

    def batch(self, batch_id: str) -> BatchState:
        from workbench.playground.batch_records import BatchState

        return BatchState.model_validate(self._ask("GET", f"/api/batches/{batch_id}"))

    def stop_batch(self, batch_id: str) -> BatchState:
        from workbench.playground.batch_records import BatchState

        return BatchState.model_validate(self._ask("POST", f"/api/batches/{batch_id}/stop"))

    def batch_figures(self, batch_id: str) -> BatchFigures:
        from workbench.playground.batch_records import BatchFigures

        return BatchFigures.model_validate(self._ask("GET", f"/api/batches/{batch_id}/figures"))

    def batch_report(self, batch_id: str, ending: str) -> str:
        return self._reply("GET", f"/api/batches/{batch_id}/report.{ending}").text

    def _ask(self, verb: str, path: str, **options: Any) -> Any:
        response = self._reply(verb, path, **options)
        return response.json() if response.content else None

    def _reply(self, verb: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._client.request(verb, path, **options)
        except httpx.HTTPError as error:
            raise WorkbenchError(
                f"The server at {self._address} did not answer: {error}.",
                remedy="See whether it still runs; workbench doctor tells.",
            ) from error
        if response.is_error:
            raise _refusal(response)
        return response

    def _values(self, config: RunConfig) -> dict[str, Any]:
        """The config as the server takes it, its files sent ahead."""
        values = config.model_dump(mode="json")
        if self._sends_files:
            for field in ("dataset", "validation_dataset"):
                values["data"][field] = self._sent(values["data"][field])
        return values

    def _sent(self, name: str) -> str:
        """What the server calls the dataset `name`, after sending it there if it is a file on this machine."""
        path = Path(name)
        if not name or not path.is_file():
            return name
        with path.open("rb") as file:
            return Dataset.model_validate(self._ask("POST", "/api/datasets", files={"file": (path.name, file)})).id


def _place(address: str) -> SplitResult:
    """The parts of a server's address; raises `WorkbenchError` when it is none."""
    place = urlsplit(address if "//" in address else f"http://{address}")
    if place.scheme not in ("http", "https") or not place.hostname:
        raise WorkbenchError(
            f"“{address}” is not the address of a server.",
            remedy="Write it as http://host:7860 or http://user@host:7860.",
        )
    return place


def _refusal(response: httpx.Response) -> WorkbenchError:
    try:
        return WorkbenchError.of(Problem(**problem) for problem in response.json()["problems"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return WorkbenchError(
            f"The server answered {response.status_code} {response.reason_phrase}.",
            remedy="If it asks for a login, put its password into WORKBENCH_PASSWORD.",
        )
