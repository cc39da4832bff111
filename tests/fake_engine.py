"""An engine without a process: its own functions over a small tokenizer, for every base model the same."""

from __future__ import annotations

import threading
from typing import Any

from pydantic import BaseModel

from workbench.home import Home
from workbench.protocol.engine import TokeniseAnswer, TokeniseRequest, TokensRequest


class FakeEngine:
    """An engine that is always idle, and knows ChatML."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def status(self) -> dict[str, object]:
        return {"running": True, "loading": None, "done": None, "models": []}

    def tokenise(self, request: TokeniseRequest) -> TokeniseAnswer:
        from workbench.engine.tokenise import tokenise

        return tokenise(request, _tokenizer())

    def post(self, route: str, body: BaseModel) -> bytes:
        """Only tokens are counted here, all at once."""
        from workbench.data import DatasetLibrary, tokens_report
        from workbench.data.templates import templated
        from workbench.data.tokens import TokenFigures

        assert route == "/tokens"
        assert isinstance(body, TokensRequest)
        rows = DatasetLibrary(self._home).conversations(body.dataset)
        report = tokens_report(rows, templated(_tokenizer(), body.chat_template), body.max_length, body.train_on)
        return TokenFigures(rows=len(rows), seen=len(rows), complete=True, report=report).model_dump_json().encode()


_FIRST = threading.Lock()


def _tokenizer() -> Any:
    """Several requests may ask at once, and transformers must not be imported by two threads."""
    from template_families import CHATML, tokenizer_of

    with _FIRST:
        return tokenizer_of(CHATML)
