"""The row view shows what the model is given: the same tokens, the same mask, for every format and template."""

from __future__ import annotations

import json
from itertools import pairwise, product
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from format_rows import COLUMN_LAYOUT, COLUMN_ROWS, FORMAT_ROWS
from template_families import CHATML, FAMILIES, LLAMA, Family, tokenizer_of

from workbench.config import RunConfig
from workbench.data import DatasetLibrary
from workbench.engine.tokenise import tokenise
from workbench.errors import WorkbenchError
from workbench.formats import FORMATS, Layout
from workbench.home import Home
from workbench.protocol.engine import TokenisedConversation, TokeniseRequest
from workbench.records.datasets import Dataset
from workbench.training.batches import flattened, padded
from workbench.training.preparation import Preparation

Learnt = list[tuple[list[int], list[bool]]]
"""Of each row its tokens, and whether the loss counts them."""
TRAIN_ON: tuple[Literal["assistant", "last", "all"], ...] = ("assistant", "last", "all")
WHOLE, SHORT = 500, 60
"""A max length that cuts nothing, and one that cuts some rows of every family."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """One home for every case: a dataset is read once."""
    return Home(tmp_path_factory.mktemp("row-view"))


def add(home: Home, kind: str) -> Dataset:
    rows = FORMAT_ROWS.get(kind, COLUMN_ROWS)
    path = home.uploads / f"{kind}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    dataset = DatasetLibrary(home).add(path, layout=Layout(**COLUMN_LAYOUT) if kind == "columns" else None)
    assert (dataset.format, dataset.rows) == (kind, len(rows))
    return dataset


def config(dataset: Dataset, **data: Any) -> RunConfig:
    chosen = {"dataset": dataset.id, "validation_share": 0, "max_length": WHOLE, **data}
    return RunConfig.parse({"data": chosen})


def given_to_the_model(home: Home, run: RunConfig, tokenizer: Any) -> Learnt:
    """From the batch itself: all rows behind one another, a token learnt where a target was made of it."""
    silent: Any = SimpleNamespace(enter=lambda *_: None, warn=lambda *_: None)
    preparation = Preparation(run, home, silent)
    try:
        train, _ = preparation.rows(preparation.dataset(), tokenizer)
    except WorkbenchError:  # nothing of any row is left to learn
        return []
    rows = [train[index] for index in range(len(train))]
    batch = flattened(rows)
    tokens = batch["input_ids"][0].tolist()
    learnt = [False] * len(tokens)
    for place, target in zip(batch["labelled"].tolist(), batch["targets"].tolist(), strict=True):
        assert tokens[place + 1] == target
        learnt[place + 1] = True
    assert padded(rows)["targets"].tolist() == batch["targets"].tolist()
    return [(tokens[start:end], learnt[start:end]) for start, end in pairwise(batch["segments"])]


def shown(home: Home, run: RunConfig, tokenizer: Any) -> list[TokenisedConversation]:
    data = run.data
    request = TokeniseRequest(
        model="any",
        conversations=tuple(DatasetLibrary(home).conversations(data.dataset)),
        train_on=data.train_on,
        max_length=data.max_length,
        chat_template=data.chat_template,
        whole=True,
    )
    return list(tokenise(request, tokenizer).conversations)


def seen(home: Home, run: RunConfig, tokenizer: Any) -> Learnt:
    """From the row view: the tokens before the cut; the first token of a row is never predicted."""
    found = []
    for row in shown(home, run, tokenizer):
        assert not row.problem
        end = len(row.tokens) - row.cut
        assert not any(row.trained[end:])
        found.append((list(row.tokens[:end]), [False, *row.trained[1:end]]))
    return [(tokens, trained) for tokens, trained in found if any(trained)]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("kind", FORMATS.kinds())
def test_the_row_view_shows_what_the_model_is_given(home: Home, kind: str, family: Family) -> None:
    dataset = add(home, kind)
    tokenizer = tokenizer_of(family)
    for train_on, max_length in product(TRAIN_ON, (WHOLE, SHORT)):
        run = config(dataset, train_on=train_on, max_length=max_length)
        learnt = given_to_the_model(home, run, tokenizer)
        assert learnt or max_length == SHORT
        assert seen(home, run, tokenizer) == learnt


@pytest.mark.parametrize("template", ["auto", "plain", "chatml", "colon", "bare"])
def test_a_chosen_template_is_shown_as_it_is_trained(home: Home, template: str) -> None:
    from workbench.data.templates import templated

    run = config(add(home, "messages"), chat_template=template)
    tokenizer = tokenizer_of(LLAMA, template=False)
    assert seen(home, run, tokenizer) == given_to_the_model(home, run, templated(tokenizer, template))
    texts = {"".join(row.pieces) for row in shown(home, run, tokenizer)}
    mark = {"auto": "### User:", "plain": "### User:", "chatml": "<|im_start|>user", "colon": "USER: ", "bare": "why"}
    assert all(mark[template] in text for text in texts)


def test_pieces_read_as_the_row_and_name_the_special_ones(home: Home) -> None:
    run = config(add(home, "question_answer"), max_length=10)
    row = shown(home, run, tokenizer_of(CHATML))[1]
    assert "".join(row.pieces) == "<|im_start|>user\nhow é 東<|im_end|>\n<|im_start|>assistant\nthus 東 é<|im_end|>\n"
    assert [piece for piece, special in zip(row.pieces, row.special, strict=True) if special] == [
        "<|im_start|>",
        "<|im_end|>",
        "<|im_start|>",
        "<|im_end|>",
    ]
    assert row.cut == len(row.tokens) - 10
