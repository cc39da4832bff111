"""Text comes out whole: no broken characters, nothing of a stop word."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.engine.transcript import UNFINISHED, Transcript


def stream(tokenizer: Any, text: str, stop: tuple[str, ...] = ()) -> tuple[list[str], Transcript]:
    transcript = Transcript(tokenizer, stop)
    pieces = []
    for token in tokenizer(text)["input_ids"]:
        pieces.append(transcript.push(token))
        if transcript.stopped:
            break
    pieces.append(transcript.finish())
    return pieces, transcript


@pytest.mark.parametrize("text", ["The brick 3 is made of clay.", "Grüße 🏠 über 中文!", " leading", "a\n\n b", ""])
def test_pieces_join_to_the_text(tiny_tokenizer: Any, text: str) -> None:
    pieces, _ = stream(tiny_tokenizer, text)
    assert "".join(pieces) == text
    assert not any(UNFINISHED in piece for piece in pieces)


def test_the_text_ends_before_the_first_stop_word(tiny_tokenizer: Any) -> None:
    pieces, transcript = stream(tiny_tokenizer, "clay and sand\nUser: more", ("User:", "\nUser", "zzz"))
    assert "".join(pieces) == "clay and sand"
    assert transcript.stopped


def test_what_only_begins_a_stop_word_is_given_in_the_end(tiny_tokenizer: Any) -> None:
    pieces, transcript = stream(tiny_tokenizer, "clay and sa", ("sand",))
    assert "".join(pieces) == "clay and sa"
    assert not transcript.stopped
    assert "sa" not in "".join(pieces[:-1])


def test_special_tokens_are_no_text(tiny_tokenizer: Any) -> None:
    transcript = Transcript(tiny_tokenizer)
    assert transcript.push(tiny_tokenizer.eos_token_id) == ""
    assert transcript.finish() == ""
