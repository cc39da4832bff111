"""A row as the base model sees it: tokens, each trained or not, cut at the max length.

What is trained of a conversation is each answer with its end-of-turn token: the first token of the tokenizer's own
that the template writes behind the answer. The tokenizer is passed in: nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any, Literal

from workbench.data.answers import Rendered, render_answers
from workbench.data.places import EncodedPlaces, ListedPlaces, Places
from workbench.errors import WorkbenchError
from workbench.records import Record
from workbench.records.datasets import Conversation

TrainOn = Literal["assistant", "last", "all"]
_BATCH = 256


class Encoded(Record):
    """One row in tokens."""

    input_ids: tuple[int, ...]
    trained: tuple[bool, ...]
    """Whether the loss counts this token; as long as ``input_ids``."""
    cut: int
    """Tokens beyond the max length, which were left out."""
    ends: bool = True
    """Whether the last trained part, uncut, ends with a token by which the model learns to stop."""
    loses: str = ""
    """The beginning of something the row says that its rendering does not; nothing when all is there."""


def encode(conversation: Conversation, tokenizer: Any, *, train_on: TrainOn, max_length: int) -> Encoded:
    """`conversation` in tokens, at most `max_length`.

    Raises `WorkbenchError` with its line when the base model's template refuses it.
    """
    return next(encode_all([conversation], tokenizer, train_on=train_on, max_length=max_length))


def encode_all(
    conversations: Iterable[Conversation], tokenizer: Any, *, train_on: TrainOn, max_length: int
) -> Iterator[Encoded]:
    """Each of `conversations` in tokens, tokenised in batches, which is several times faster than one by one."""
    rows = iter(conversations)
    own = own_tokens(tokenizer)
    while batch := list(islice(rows, _BATCH)):
        rendered = [_render_row(row, tokenizer) for row in batch]
        for row, found, (ids, places) in zip(batch, rendered, _tokenise(batch, rendered, tokenizer), strict=True):
            trained = _trained(found, ids, places, own, "all" if row.text is not None else train_on)
            yield Encoded(
                input_ids=tuple(ids[:max_length]),
                trained=tuple(trained[:max_length]),
                cut=max(0, len(ids) - max_length),
                ends=_ends(ids, trained, own),
                loses=_lost(row, found.text),
            )


def _render_row(row: Conversation, tokenizer: Any) -> Rendered:
    from jinja2.exceptions import TemplateError

    if row.text is not None:
        return Rendered(row.text, ())
    try:
        return render_answers(row, tokenizer)
    except (TemplateError, TypeError, ValueError) as error:
        raise WorkbenchError(
            f"The base model's chat template refuses this row: {str(error).rstrip('.')}.",
            remedy="Change the order of its turns, or remove the row.",
            field="data.dataset",
            line=row.line,
        ) from error


def _tokenise(
    rows: Sequence[Conversation], rendered: Sequence[Rendered], tokenizer: Any
) -> Iterator[tuple[list[int], Places]]:
    if not getattr(tokenizer, "is_fast", False):
        yield from (_tokenise_by_parts(row, found, tokenizer) for row, found in zip(rows, rendered, strict=True))
        return
    chats = [found.text for row, found in zip(rows, rendered, strict=True) if row.text is None]
    plain = [found.text for row, found in zip(rows, rendered, strict=True) if row.text is not None]
    of_chats = _batch(chats, tokenizer, add_special_tokens=False)
    of_plain = _batch(plain, tokenizer, add_special_tokens=True)
    for row in rows:
        if row.text is None:
            yield next(of_chats)
        else:
            ids, places = next(of_plain)
            yield _ended(ids, tokenizer), places


def _batch(texts: list[str], tokenizer: Any, *, add_special_tokens: bool) -> Iterator[tuple[list[int], Places]]:
    if not texts:
        return
    found = tokenizer(texts, add_special_tokens=add_special_tokens, return_attention_mask=False, verbose=False)
    for ids, encoding in zip(found["input_ids"], found.encodings, strict=True):
        yield ids, EncodedPlaces(encoding)


def _tokenise_by_parts(row: Conversation, found: Rendered, tokenizer: Any) -> tuple[list[int], Places]:
    """For tokenizers that cannot say where a token stands: prompt, answer and tail are tokenised one by one."""
    if row.text is not None:
        ids = _ended(list(tokenizer(row.text, verbose=False)["input_ids"]), tokenizer)
        return ids, ListedPlaces([(0, 0)] * len(ids))
    cuts = sorted({0, len(found.text), *(place for answer in found.answers for place in answer[:3])})
    ids = []
    places: list[tuple[int, int]] = []
    for start, end in pairwise(cuts):
        part = tokenizer(found.text[start:end], add_special_tokens=False, verbose=False)["input_ids"]
        ids += part
        places += [(start, end)] * len(part)
    return ids, ListedPlaces(places)


def _ended(ids: list[int], tokenizer: Any) -> list[int]:
    """Running text ends with the end-of-text token, or the model would never learn to stop."""
    end = tokenizer.eos_token_id
    return ids if end is None or ids[-1:] == [end] else [*ids, end]


def _trained(found: Rendered, ids: list[int], places: Places, own: Container[int], train_on: TrainOn) -> list[bool]:
    if train_on == "all":
        return [True] * len(ids)
    trained = [False] * len(ids)
    for answer in found.answers[-1:] if train_on == "last" else found.answers:
        first = places.reaching(answer.start)
        tail = max(first, places.starting(answer.end))
        stop = max(tail, places.starting(answer.turn_end))
        mark = next((token for token in range(tail, stop) if ids[token] in own), None)
        last = mark + 1 if mark is not None else stop if answer.tail_is_own else tail
        trained[first:last] = [True] * (last - first)
    return trained


def _ends(ids: Sequence[int], trained: Sequence[bool], own: Container[int]) -> bool:
    """Whether one of the last trained tokens is the tokenizer's own; a line end may follow it."""
    last = next((place for place in range(len(ids) - 1, -1, -1) if trained[place]), None)
    return last is not None and any(ids[place] in own for place in range(max(0, last - 2), last + 1))


def _lost(row: Conversation, text: str) -> str:
    contents = (message.content.strip() for message in row.messages)
    return next((content[:200] for content in contents if content not in text), "")


def own_tokens(tokenizer: Any) -> frozenset[int]:
    """The tokens that no text splits into: special ones and added ones, blank ones apart."""
    return _own_tokens(tokenizer, len(tokenizer))


@lru_cache(maxsize=8)
def _own_tokens(tokenizer: Any, size: int) -> frozenset[int]:
    """The same, kept while the tokenizer has `size` tokens: asking it takes milliseconds."""
    added: dict[int, Any] = tokenizer.added_tokens_decoder
    return frozenset(number for number, token in added.items() if str(token).strip())
