"""Asking an encoding for a few characters gives what the list of all places gives."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from template_families import CHATML, LLAMA, Family, tokenizer_of

from workbench.data.places import EncodedPlaces, ListedPlaces


@settings(deadline=None)  # the first tokenizer takes seconds
@given(st.text(max_size=30), st.integers(0, 60), st.sampled_from([CHATML, LLAMA]))
def test_both_find_the_same_tokens(words: str, character: int, family: Family) -> None:
    tokenizer = tokenizer_of(family)
    text = f"{tokenizer.eos_token} {words} {tokenizer.eos_token}".encode("utf-8", "replace").decode()
    (encoding,) = tokenizer([text], add_special_tokens=False).encodings
    asked, listed = EncodedPlaces(encoding), ListedPlaces(encoding.offsets)
    assert asked.reaching(character) == listed.reaching(character)
    assert asked.starting(character) == listed.starting(character)
