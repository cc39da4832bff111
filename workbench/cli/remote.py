"""The workbench of another process, over its HTTP API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx

from workbench.config import RunConfig
from workbench.errors import Problem, WorkbenchError
from workbench.records import Message, ParameterCount, Run

if TYPE_CHECKING:
    from workbench.playground import Delta, PaneChoice, Sampling


class Remote:
    """A `Connection` to the server at `address`; every refusal of it comes back as the `WorkbenchError` it was."""

    def __init__(self, address: str, *, user: str = "", password: str | None = None) -> None:
        auth = httpx.BasicAuth(user, password) if password else None
        self._address = address
        self._client = httpx.Client(base_url=address, auth=auth, timeout=httpx.Timeout(60, read=600), trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def submit(self, config: RunConfig) -> Run:
        return Run.model_validate(self._ask("POST", "/api/runs", json=config.model_dump(mode="json")))

    def runs(self, query: str = "") -> Sequence[Run]:
        return [Run.model_validate(run) for run in self._ask("GET", "/api/runs", params={"query": query})]

    def run(self, run_id: str) -> Run:
        return Run.model_validate(self._ask("GET", f"/api/runs/{run_id}"))

    def log(self, run_id: str, lines: int = 40) -> str:
        return str(self._ask("GET", f"/api/runs/{run_id}/log", params={"lines": lines})["log"])

    def stop(self, run_id: str) -> Run:
        return Run.model_validate(self._ask("POST", f"/api/runs/{run_id}/stop"))

    def resume(self, run_id: str) -> Run:
        return Run.model_validate(self._ask("POST", f"/api/runs/{run_id}/resume"))

    def count(self, config: RunConfig) -> ParameterCount:
        return ParameterCount.model_validate(self._ask("POST", "/api/params", json=config.model_dump(mode="json")))

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

    def _ask(self, verb: str, path: str, **options: Any) -> Any:
        try:
            response = self._client.request(verb, path, **options)
        except httpx.HTTPError as error:
            raise WorkbenchError(
                f"The server at {self._address} did not answer: {error}.",
                remedy="See whether it still runs; workbench doctor tells.",
            ) from error
        if response.is_error:
            raise _refusal(response)
        return response.json()


def _refusal(response: httpx.Response) -> WorkbenchError:
    try:
        return WorkbenchError.of(Problem(**problem) for problem in response.json()["problems"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return WorkbenchError(
            f"The server answered {response.status_code} {response.reason_phrase}.",
            remedy="If it asks for a login, put its password into WORKBENCH_PASSWORD.",
        )
