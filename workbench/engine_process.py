"""The server's handle on the engine: started when first needed, watched, started again when it died.

Speaks HTTP to it and never imports torch. The engine ends by itself when this process does, however it does.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import httpx
from pydantic import BaseModel, ValidationError

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.protocol.engine import (
    TOKEN_VARIABLE,
    BlueprintRequest,
    EnginePhase,
    EngineStatus,
    ReleaseRequest,
    TokeniseAnswer,
    TokeniseRequest,
)
from workbench.protocol.refusals import error_from
from workbench.records.base_models import Blueprint

START_SECONDS = 60.0
HEALTH_SECONDS = 5.0
"""An engine that does not answer its health check for this long is started again."""
TRUSTED_SECONDS = 3.0
"""A health check this fresh is not repeated."""
RELEASE_SECONDS = 10.0
"""How long a run's start waits for the engine to give memory back."""
JSON = {"Content-Type": "application/json"}


class EngineLostError(WorkbenchError):
    """The engine died while it was answering: asking again starts it anew."""


class EngineProcess:
    """The engine of one home; safe to use from several threads."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.Client | None = None
        self._healthy_at = 0.0
        self._closed = False

    def running(self) -> bool:
        """Whether there is an engine process, answering or not."""
        process = self._process
        return process is not None and process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the engine process, None when there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def client(self) -> httpx.Client:
        """A client of a running engine; starts it if need be. Raises `WorkbenchError` when it cannot start."""
        with self._lock:
            if self._closed:
                raise WorkbenchError("The workbench is closing.", remedy="Start it again.")
            if self._client is None or not self.running() or not self._answers():
                self._end()
                self._start()
            assert self._client is not None
            return self._client

    def status(self) -> EngineStatus:
        """Where the engine stands; never starts it."""
        client = self._client
        if client is None or not self.running():
            return EngineStatus(phase=EnginePhase.STOPPED)
        try:
            answer = client.get("/status", timeout=HEALTH_SECONDS)
            return EngineStatus.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError):
            return EngineStatus(phase=EnginePhase.STARTING, detail="not answering yet")

    def blueprint(self, reference: str) -> Blueprint:
        """The shape of a base model, read from its config."""
        return Blueprint.model_validate_json(self.post("/blueprint", BlueprintRequest(model=reference)))

    def tokenise(self, request: TokeniseRequest) -> TokeniseAnswer:
        """Conversations as tokens, with what is trained on."""
        return TokeniseAnswer.model_validate_json(self.post("/tokenise", request))

    def post(self, route: str, body: BaseModel) -> bytes:
        """The answer to `body`; raises `WorkbenchError` for a refusal and when the engine dies meanwhile."""
        try:
            answer = self.client().post(route, content=body.model_dump_json(), headers=JSON, timeout=None)
        except httpx.HTTPError as error:
            raise self.lost() from error
        if answer.is_error:
            raise error_from(answer.content, answer.status_code)
        return answer.content

    def release(self, reason: str) -> None:
        """Let a running engine give its memory back, each base model once its answers are complete; never starts it.

        Returns when those that were at rest are gone. An engine that does not answer keeps what it has.
        """
        client = self._client
        if client is None or not self.running():
            return
        body = ReleaseRequest(reason=reason).model_dump_json()
        with contextlib.suppress(httpx.HTTPError):
            client.post("/release", content=body, headers=JSON, timeout=RELEASE_SECONDS)

    def lost(self) -> EngineLostError:
        """What to raise when a connection broke; the engine is asked for its health before it is trusted again."""
        self._healthy_at = -TRUSTED_SECONDS
        return EngineLostError(
            "The engine stopped while it was answering.",
            remedy="Send it again: the engine starts again by itself. Its log, logs/engine.log, may say why.",
        )

    def close(self) -> None:
        """End the engine, for good."""
        with self._lock:
            self._closed = True
            self._end()

    def _answers(self) -> bool:
        """Whether the engine is well; a busy model does not keep it from answering."""
        if time.monotonic() - self._healthy_at < TRUSTED_SECONDS:
            return True
        assert self._client is not None
        try:
            self._client.get("/health", timeout=HEALTH_SECONDS).raise_for_status()
        except httpx.HTTPError:
            return False
        self._healthy_at = time.monotonic()
        return True

    def _start(self) -> None:
        token = secrets.token_urlsafe(32)
        address_file = self.home.logs / f"engine-{secrets.token_hex(4)}.address"
        log = self.home.logs / "engine.log"
        with log.open("ab") as output:
            self._process = _launch(self.home, address_file, token, output)
        try:
            address = _wait_for_address(self._process, address_file, log)
        finally:
            address_file.unlink(missing_ok=True)
        headers = {"Authorization": f"Bearer {token}"}
        limits = httpx.Limits(max_connections=None)  # streams stay open for long
        self._client = httpx.Client(base_url=address, headers=headers, limits=limits, trust_env=False)
        self._healthy_at = time.monotonic()

    def _end(self) -> None:
        process, self._process = self._process, None
        client, self._client = self._client, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        if client is not None:
            client.close()


def _launch(home: Home, address_file: Path, token: str, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """The engine process; its standard input is a pipe whose other end dies with this process."""
    return subprocess.Popen(
        [sys.executable, "-m", "workbench.engine", "--home", str(home.path), "--address-file", str(address_file)],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, TOKEN_VARIABLE: token},
        start_new_session=True,
    )


def _wait_for_address(process: subprocess.Popen[bytes], address_file: Path, log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not address_file.is_file():
        if process.poll() is not None:
            tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise WorkbenchError(
                f"The engine could not start: {' '.join(tail) or 'it left no word'}", remedy=f"See {log}."
            )
        if time.monotonic() > deadline:
            process.kill()
            raise WorkbenchError(f"The engine did not start within {START_SECONDS:.0f} s.", remedy=f"See {log}.")
        time.sleep(0.02)
    return address_file.read_text(encoding="utf-8")
