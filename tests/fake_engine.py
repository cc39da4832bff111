"""An engine without a process: its own functions over a small tokenizer, for every base model the same."""

from __future__ import annotations

import threading
from typing import Any

from pydantic import BaseModel

from workbench.config import DataConfig
from workbench.home import Home
from workbench.protocol.engine import HeldOutRequest, TokeniseAnswer, TokeniseRequest, TokensRequest


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
        """Tokens are counted all at once here."""
        from workbench.data import DatasetLibrary, tokens_report
        from workbench.data.partition import held_out
        from workbench.data.templates import templated
        from workbench.data.tokens import TokenFigures

        library = DatasetLibrary(self._home)
        if isinstance(body, HeldOutRequest):
            data = DataConfig(dataset=body.dataset, validation_share=body.validation_share)
            return held_out(library, data).model_dump_json().encode()
        assert route == "/tokens"
        assert isinstance(body, TokensRequest)
        rows = library.conversations(body.dataset)
        report = tokens_report(rows, templated(_tokenizer(), body.chat_template), body.max_length, body.train_on)
        return TokenFigures(rows=len(rows), seen=len(rows), complete=True, report=report).model_dump_json().encode()


_FIRST = threading.Lock()


def _tokenizer() -> Any:
    """Several requests may ask at once, and transformers must not be imported by two threads."""
    from template_families import CHATML, tokenizer_of

    with _FIRST:
        return tokenizer_of(CHATML)
