"""Who can answer, and asking them."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence

import httpx

from workbench.adapter_folder import holds_adapter
from workbench.engine_process import JSON, EngineProcess
from workbench.errors import WorkbenchError
from workbench.playground.external import stream_external
from workbench.playground.external_distance import compare_external
from workbench.playground.records import Delta, PaneChoice, Sampling
from workbench.playground.stream import SILENCE_SECONDS, read_answer
from workbench.protocol.added import Added, list_added
from workbench.protocol.chat import (
    ChatRequest,
    ChatTurn,
    CompareRequest,
    Comparison,
    Score,
    ScoreRequest,
    StreamOptions,
)
from workbench.protocol.model_ids import BASE
from workbench.records.datasets import Message
from workbench.records.runs import Run, RunStatus
from workbench.runs import Runs


class Playground:
    """The panes' service; each pane streams by itself, and several at once make one batch in the engine."""

    def __init__(self, engine: EngineProcess, runs: Runs) -> None:
        self._engine = engine
        self._runs = runs

    def choices(self, base_model: str | None = None) -> list[PaneChoice]:
        """The base model, the adapters of runs, newest first, and what was added; of every base when none is named."""
        added = list_added(self._engine.home)
        runs = [run for run in self._runs.list() if base_model in (None, run.base_model)]
        known = [run.base_model for run in runs] + [one.base_model for one in added if one.kind == "adapter"]
        bases = dict.fromkeys([base_model] if base_model is not None else known)
        found = [PaneChoice(id=BASE, label=f"Base model ({base})", base_model=base) for base in bases]
        for run in runs:
            found += self._of_run(run)
        for one in added:
            if one.kind != "adapter" or one.base_model in bases:
                found += choices_of(one)
        return found

    def stream(
        self, pane: PaneChoice | str, base_model: str | None, messages: Sequence[Message], sampling: Sampling
    ) -> Generator[Delta, None, None]:
        """The answer of `pane` to the conversation; closing the generator ends the generation.

        Raises `WorkbenchError` when it is refused, and when the engine dies meanwhile: the next one works again.
        """
        model, base_model, endpoint = _who(pane, base_model)
        if endpoint:
            self._require_added(endpoint)
            yield from stream_external(endpoint, model, messages, sampling)
            return
        asked = time.monotonic()
        request = ChatRequest(
            model=model,
            base_model=base_model,
            messages=_turns(messages),
            cut_prompt=True,
            stream=True,
            stream_options=StreamOptions(include_usage=True),
            **sampling.model_dump(),
        )
        client = self._engine.client()
        timeout = httpx.Timeout(10.0, read=SILENCE_SECONDS)
        body = request.model_dump_json()
        try:
            with client.stream("POST", "/v1/chat/completions", content=body, headers=JSON, timeout=timeout) as response:
                yield from read_answer(response, asked)
        except httpx.HTTPError as error:
            raise self._engine.lost() from error

    def compare(
        self, pane: PaneChoice | str, base_model: str | None, messages: Sequence[Message], other: str = BASE
    ) -> Comparison:
        """How far `pane` stands from `other` on the first token of its answer to this very conversation.

        Of two models on an external server it is a lower bound, and `other` is a model id there.
        """
        model, base_model, endpoint = _who(pane, base_model)
        if endpoint:
            self._require_added(endpoint)
            return compare_external(endpoint, model, other, messages)
        asked = CompareRequest(model=model, other=other, base_model=base_model, messages=_turns(messages))
        return Comparison.model_validate_json(self._engine.post("/v1/compare", asked))

    def score(
        self,
        pane: PaneChoice | str,
        base_model: str | None,
        messages: Sequence[Message],
        answer: str,
        other: str | None = BASE,
    ) -> Score:
        """How likely `pane` and `other` find each token of a given answer to the conversation.

        Raises `WorkbenchError` for an external server, whose protocol has no such question.
        """
        model, base_model, endpoint = _who(pane, base_model)
        if endpoint:
            raise WorkbenchError(
                "An external server cannot say how likely a given answer is.",
                remedy="Score with the base model and adapters of this workbench.",
                field="model",
            )
        asked = ScoreRequest(model=model, other=other, base_model=base_model, messages=_turns(messages), answer=answer)
        return Score.model_validate_json(self._engine.post("/v1/score", asked))

    def _require_added(self, endpoint: str) -> None:
        """A link or a saved comparison may name any server; prompts and key go only to those that the user added."""
        if endpoint not in {one.source for one in list_added(self._engine.home) if one.kind == "endpoint"}:
            raise WorkbenchError(
                f"{endpoint} is not among the servers that were added.",
                remedy="Add it to the playground first, if you trust it with what you ask.",
                field="endpoint",
            )

    def _of_run(self, run: Run) -> list[PaneChoice]:
        """The finished adapter, then its checkpoints, the newest first."""
        name = run.name or run.id
        if run.status == RunStatus.QUEUED:
            return []
        finished = holds_adapter(self._engine.home.runs / run.id / "adapter")
        adapter = [PaneChoice(id=run.id, label=name, base_model=run.base_model, kind="run")] if finished else []
        return adapter + [
            PaneChoice(
                id=f"{run.id}/{checkpoint.name}",
                label=f"{name}, step {checkpoint.step}",
                base_model=run.base_model,
                kind="checkpoint",
            )
            for checkpoint in reversed(run.checkpoints)
        ]


def choices_of(added: Added) -> list[PaneChoice]:
    """Who can answer of what was added: the adapter or merged model itself, or each model of another server."""
    if added.kind == "endpoint":
        return [
            PaneChoice(
                id=model,
                label=f"{model} ({added.name})",
                base_model="",
                kind="endpoint",
                added=added.id,
                endpoint=added.source,
            )
            for model in added.models
        ]
    model = BASE if added.kind == "merged" else added.id
    return [PaneChoice(id=model, label=added.name, base_model=added.base_model, kind=added.kind, added=added.id)]


def _who(pane: PaneChoice | str, base_model: str | None) -> tuple[str, str | None, str]:
    """Model id, base model and external endpoint of a pane."""
    if isinstance(pane, PaneChoice):
        return pane.id, pane.base_model or base_model, pane.endpoint
    return pane, base_model, ""


def _turns(messages: Sequence[Message]) -> tuple[ChatTurn, ...]:
    return tuple(ChatTurn(role=message.role, content=message.content) for message in messages)
