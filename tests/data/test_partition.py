"""Which rows a run learns from: by share, by group, by label, or beside a file of their own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from workbench.config import DataConfig, RunConfig
from workbench.data import DatasetLibrary, overlap, partition
from workbench.data.editing import Join
from workbench.data.split import split_grouped, split_stratified
from workbench.errors import WorkbenchError
from workbench.home import Home

ROWS = [{"q": f"what {n}", "a": f"so {n}", "author": f"a{n // 10}", "topic": "xy"[n % 4 == 0]} for n in range(80)]


@pytest.fixture
def library(home: Home) -> DatasetLibrary:
    return DatasetLibrary(home)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def test_a_share_is_held_out(library: DatasetLibrary, file: Path) -> None:
    train, validation = partition(library, DataConfig(dataset=str(file), validation_share=0.25))
    assert (len(train), len(validation)) == (60, 20)
    assert {row.line for row in train} | {row.line for row in validation} == set(range(1, 81))
    assert train[0] == next(iter(train))
    assert [row.line for row in train[:3]] == [row.line for row in list(train)[:3]]


def test_groups_stay_together(library: DatasetLibrary, file: Path) -> None:
    data = DataConfig(dataset=str(file), validation_share=0.25, group_by="author")
    train, validation = partition(library, data)
    authors = {ROWS[row.line - 1]["author"] for row in train}, {ROWS[row.line - 1]["author"] for row in validation}
    assert not authors[0] & authors[1]
    assert len(validation) == 20


def test_labels_are_held_out_alike(library: DatasetLibrary, file: Path) -> None:
    data = DataConfig(dataset=str(file), validation_share=0.1, stratify_by="topic")
    held_out = Counter(ROWS[row.line - 1]["topic"] for row in partition(library, data).validation)
    assert held_out == {"x": 6, "y": 2}


def test_an_own_validation_file_leaves_the_dataset_whole(library: DatasetLibrary, file: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_text('{"q": "what 3", "a": "SO  3"}\n{"q": "new", "a": "thing"}\n', encoding="utf-8")
    train, validation = partition(library, DataConfig(dataset=str(file), validation_dataset=str(own)))
    assert (len(train), len(validation)) == (80, 2)
    assert overlap(train, validation) == [(4, 1)]


@pytest.mark.parametrize(
    "wrong", [{"group_by": "colour"}, {"stratify_by": "colour"}, {"validation_dataset": "no-such-file"}]
)
def test_what_is_wrong_stands_beside_its_field(library: DatasetLibrary, file: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(WorkbenchError) as refused:
        partition(library, DataConfig.model_validate({"dataset": str(file), **wrong}))
    assert refused.value.problems[0].field == f"data.{next(iter(wrong))}"


def test_group_and_label_together_are_refused() -> None:
    with pytest.raises(WorkbenchError) as refused:
        RunConfig.parse({"data": {"group_by": "a", "stratify_by": "b"}})
    assert refused.value.problems[0].field == "data.group_by"


def test_columns_of_joined_datasets_are_gone(library: DatasetLibrary, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"q": "new", "a": "thing"}\n', encoding="utf-8")
    joined = library.edit(library.add(file).id, Join(dataset=library.add(other).id))
    with pytest.raises(WorkbenchError, match="joined"):
        partition(library, DataConfig(dataset=joined.id, group_by="author"))


def test_one_group_or_rare_labels_still_leave_rows_on_both_sides_where_they_can() -> None:
    assert split_grouped(["a"] * 9, 0.3, 0) == (list(range(9)), [])
    assert split_grouped(["a"] * 6 + ["b"] * 4, 0.05, 0) == (list(range(6)), list(range(6, 10)))
    assert split_grouped(["a"] * 6 + ["b"] * 4, 0, 0) == (list(range(10)), [])
    train, validation = split_stratified(list("abcdefghij"), 0.2, 0)
    assert (len(train), len(validation)) == (8, 2)
    assert split_stratified(["a", "a", "b"], 0.0, 0) == ([0, 1, 2], [])
