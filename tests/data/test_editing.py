"""Edits are recorded steps: each gives a dataset of its own, says what it did, and can be undone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.data import DatasetLibrary
from workbench.data.editing import STEP, Deduplicate, Drop, Join, Keep, Length, Replace, Sample, Shuffle, Step
from workbench.errors import WorkbenchError
from workbench.home import Home

WORDS = ("red brick", "oak door", "Red  Brick", "glass wall", "oak floor")


def write(path: Path, answers: tuple[str, ...]) -> Path:
    path.write_text("".join(json.dumps({"q": "what", "a": answer}) + "\n" for answer in answers), encoding="utf-8")
    return path


@pytest.fixture
def library(home: Home) -> DatasetLibrary:
    return DatasetLibrary(home)


@pytest.fixture
def id(library: DatasetLibrary, tmp_path: Path) -> str:
    return library.add(write(tmp_path / "rows.jsonl", WORDS)).id


def answers(library: DatasetLibrary, id: str) -> list[str]:
    return [row.messages[-1].content for row in library.conversations(id)]


EDITS: list[tuple[Step, list[str], str]] = [
    (Keep(text="oak"), ["oak door", "oak floor"], "keep rows with “oak” anywhere"),
    (Keep(text="oak", inverted=True), ["red brick", "Red  Brick", "glass wall"], "keep rows without “oak” anywhere"),
    (Keep(text="what", where="answer", inverted=True), list(WORDS), "keep rows without “what” in an answer"),
    (Keep(text="^(oak|glass)", pattern=True, where="answer"), ["oak door", "glass wall", "oak floor"], "the pattern"),
    (Length(shortest=13, longest=13), ["red brick", "oak floor"], "keep rows of 13 to 13 characters"),
    (Drop(lines=(1, 4)), ["oak door", "Red  Brick", "oak floor"], "drop lines 1, 4"),
    (Deduplicate(), ["red brick", "oak door", "glass wall", "oak floor"], "repeat"),
    (Replace(text="oak", by=r"\elm"), ["red brick", r"\elm door", "Red  Brick", "glass wall", r"\elm floor"], "by"),
    (Replace(text=r"(\w+) (door)", by=r"\2 \1", pattern=True), [WORDS[0], "door oak", *WORDS[2:]], "the pattern"),
]


@pytest.mark.parametrize(("step", "left", "sentence"), EDITS, ids=[f"{e[0].kind}-{n}" for n, e in enumerate(EDITS)])
def test_an_edit_gives_a_new_dataset(
    step: Step, left: list[str], sentence: str, library: DatasetLibrary, id: str
) -> None:
    edited = library.edit(id, step)
    assert answers(library, edited.id) == left
    assert edited.id != id
    assert (edited.parent, edited.rows, edited.name) == (id, len(left), "rows.jsonl")
    assert sentence in edited.steps[0]
    assert library.recipe(edited.id).steps == (step,)
    assert answers(library, id) == list(WORDS)
    assert STEP.validate_json(step.model_dump_json()) == step


def test_steps_pile_up_and_are_undone_one_by_one(library: DatasetLibrary, id: str) -> None:
    first = library.edit(id, Keep(text="oak"))
    second = library.edit(first.id, Replace(text="oak", by="elm"))
    assert answers(library, second.id) == ["elm door", "elm floor"]
    assert len(second.steps) == 2
    assert library.undo(second.id) == first
    assert library.undo(first.id).id == id
    with pytest.raises(WorkbenchError, match="no edit"):
        library.undo(id)
    assert library.original(second.id) == library.original(id)
    assert [library.get(each).version for each in (id, first.id, second.id)] == [1, 2, 3]


def test_the_same_edit_is_the_same_dataset(library: DatasetLibrary, id: str) -> None:
    assert library.edit(id, Sample(rows=3, seed=4)) == library.edit(id, Sample(rows=3, seed=4))
    assert library.edit(id, Sample(rows=3, seed=4)).id != library.edit(id, Sample(rows=3, seed=5)).id


def test_chance_is_seeded(library: DatasetLibrary, id: str) -> None:
    shuffled = answers(library, library.edit(id, Shuffle(seed=1)).id)
    assert sorted(shuffled) == sorted(WORDS)
    assert shuffled != list(WORDS)
    sampled = answers(library, library.edit(id, Sample(rows=3)).id)
    assert sampled == [word for word in WORDS if word in sampled]
    assert len(answers(library, library.edit(id, Sample(rows=99)).id)) == 5


def test_two_datasets_are_joined_by_weight(library: DatasetLibrary, id: str, tmp_path: Path) -> None:
    other = library.add(write(tmp_path / "more.jsonl", ("tin roof", "slate roof"))).id
    joined = library.edit(id, Join(dataset=other, weight=1.5)).id
    assert answers(library, joined)[:5] == list(WORDS)
    assert answers(library, joined)[5:7] == ["tin roof", "slate roof"]
    assert len(answers(library, joined)) == 8
    assert [row.line for row in library.conversations(joined)] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_an_edit_that_leaves_no_row_or_cannot_be_read_is_refused(library: DatasetLibrary, id: str, home: Home) -> None:
    for step in (Keep(text="nowhere"), Keep(text="(", pattern=True), Replace(text="a", by=r"\7", pattern=True)):
        with pytest.raises(WorkbenchError):
            library.edit(id, step)
    with pytest.raises(WorkbenchError):
        library.edit(id, Join(dataset="0123456789abcdef"))
    assert [path.name for path in home.datasets.iterdir()] == [id]


def test_an_edited_dataset_counts_its_repeats_again(library: DatasetLibrary, id: str) -> None:
    edited = library.edit(id, Replace(text="Red  Brick", by="red brick"))
    assert [(problem.line, problem.kind) for problem in library.problems(edited.id)] == [(3, "duplicate")]
    statistics = library.report(edited.id).statistics
    assert statistics is not None
    assert statistics.duplicates == 1


def test_a_large_dataset_is_edited_by_a_process_of_its_own(
    library: DatasetLibrary, id: str, tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = DatasetLibrary(Home(tmp_path / "other home"))
    here.add(library.original(id), name="rows.jsonl")
    monkeypatch.setattr("workbench.data.ingestion.MANY", 0)
    steps: tuple[Step, ...] = (Shuffle(seed=3), Join(dataset=id, weight=0.5))
    large, small = id, id
    for step in steps:
        large = library.edit(large, step).id
        with monkeypatch.context() as few:
            few.setattr("workbench.data.ingestion.MANY", 1_000)
            small = here.edit(small, step).id
    assert large == small
    assert answers(library, large) == answers(here, small)
    assert library.report(large) == here.report(small)
    with pytest.raises(WorkbenchError, match="not a regular expression"):
        library.edit(id, Keep(text="(", pattern=True))
    with pytest.raises(WorkbenchError, match="No row is left"):
        library.edit(id, Keep(text="no such words"))
    assert len(list(home.datasets.iterdir())) == 3
