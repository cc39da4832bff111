"""Datasets are kept by content, byte for byte, and their rows come back as they were."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.data import DatasetLibrary, samples
from workbench.data.editing import Shuffle
from workbench.errors import WorkbenchError
from workbench.formats import Layout
from workbench.home import Home
from workbench.presets import PRESETS

ROWS = [{"question": f"why {n}", "answer": f"so {n}"} for n in range(5)]


@pytest.fixture
def library(home: Home) -> DatasetLibrary:
    return DatasetLibrary(home)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def test_a_dataset_is_named_by_its_content_and_kept_byte_for_byte(library: DatasetLibrary, file: Path) -> None:
    dataset = library.add(file, name="rows", source="here", licence="CC0-1.0")
    assert dataset.id == hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    assert (dataset.name, dataset.format, dataset.rows, dataset.refused) == ("rows", "question_answer", 5, 0)
    assert (dataset.source, dataset.licence, dataset.bytes) == ("here", "CC0-1.0", file.stat().st_size)
    assert library.original(dataset.id).read_bytes() == file.read_bytes()
    assert library.list() == [dataset]


def test_rows_come_back_in_file_order(library: DatasetLibrary, file: Path) -> None:
    rows = library.conversations(library.add(file, name="rows").id)
    assert len(rows) == 5
    assert [row.messages[1].content for row in rows] == [row["answer"] for row in ROWS]
    assert rows[3].line == 4
    assert rows[-1] == rows[4]
    assert rows[1:3] == [rows[1], rows[2]]
    with pytest.raises(IndexError):
        rows[5]


def test_rows_of_many_batches_come_back(library: DatasetLibrary, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"text": f"row {n}"}) + "\n" for n in range(2_500)), encoding="utf-8")
    rows = library.conversations(library.add(path, name="many").id)
    assert len(rows) == 2_500
    assert [rows[n].text for n in (0, 999, 1_000, 1_001, 2_499)] == [f"row {n}" for n in (0, 999, 1_000, 1_001, 2_499)]
    assert [row.text for row in rows] == [f"row {n}" for n in range(2_500)]


def test_datasets_opens_the_same_rows(library: DatasetLibrary, file: Path, home: Home) -> None:
    import datasets

    dataset = library.add(file, name="rows")
    table = datasets.Dataset.from_file(str(home.datasets / dataset.id / "rows.arrow"))
    assert [(turn["role"], turn["content"]) for turn in table[2]["messages"]] == [
        ("user", "why 2"),
        ("assistant", "so 2"),
    ]


def test_one_content_is_one_dataset(library: DatasetLibrary, file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(file.read_bytes())
    assert library.add(file, name="rows").id == library.add(copy, name="copy").id
    assert len(library.list()) == 1


def test_bad_rows_are_left_out_and_kept_on_record(library: DatasetLibrary, file: Path) -> None:
    with file.open("a", encoding="utf-8") as rows:
        rows.write('{"question": "why"}\n{"question": "why", "answer": "so\\u0007"}\n')
    dataset = library.add(file, name="rows")
    assert (dataset.rows, dataset.refused) == (6, 1)
    assert [(problem.line, problem.kind) for problem in library.problems(dataset.id)] == [
        (6, "no-answer"),
        (7, "control-character"),
    ]
    assert library.report(dataset.id).counts == {"no-answer": 1, "control-character": 1}
    assert [row.line for row in library.conversations(dataset.id)] == [1, 2, 3, 4, 5, 7]


def test_a_reference_is_a_sample_an_id_or_a_path(library: DatasetLibrary, file: Path) -> None:
    by_path = library.resolve(str(file))
    assert library.resolve(by_path.id) == by_path
    assert by_path.name == "rows.jsonl"
    bundled = library.resolve("sample:construction-faq")
    assert (bundled.rows, bundled.refused, bundled.licence) == (503, 0, "CC-BY-4.0")


@pytest.mark.parametrize("reference", ["sample:none", "0123456789abcdef", "/no/such/file.jsonl", "../../etc"])
def test_an_unknown_reference_is_refused_beside_its_field(library: DatasetLibrary, reference: str) -> None:
    with pytest.raises(WorkbenchError) as refused:
        library.resolve(reference)
    assert refused.value.problems[0].field == "data.dataset"
    assert refused.value.remedy


def test_every_sample_is_usable_and_names_its_licence(library: DatasetLibrary) -> None:
    for entry in samples():
        report = library.check(entry.path)
        assert report.clean
        assert entry.licence
        assert entry.source
        assert entry.link
    assert {path.name for path in (PRESETS / "samples").glob("*.jsonl")} == {entry.path.name for entry in samples()}


@pytest.mark.parametrize("name", ["../../../etc/passwd", "..\\..\\evil.jsonl", "📚 books\n.jsonl", "", "\x00"])
def test_a_name_is_data_and_never_a_path(library: DatasetLibrary, file: Path, home: Home, name: str) -> None:
    dataset = library.add(file, name=name)
    assert [folder.name for folder in home.datasets.iterdir()] == [dataset.id]
    assert "/" not in dataset.name
    assert dataset.name.isprintable()
    assert dataset.name


def test_a_full_disk_leaves_nothing_behind(
    library: DatasetLibrary, file: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.data.library.shutil.copyfile", full)
    with pytest.raises(WorkbenchError, match="disk is full"):
        library.add(file, name="rows")
    assert list(home.datasets.iterdir()) == []


def test_the_room_is_light_to_import() -> None:
    heavy = "torch", "transformers", "datasets", "pyarrow", "numpy", "gradio"
    code = f"import sys, workbench.data, workbench.formats; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_another_content_under_one_name_is_another_version(library: DatasetLibrary, file: Path) -> None:
    first = library.add(file, name="rows")
    with file.open("a", encoding="utf-8") as rows:
        rows.write('{"question": "why more", "answer": "so more"}\n')
    second = library.add(file, name="rows")
    assert (first.version, second.version) == (1, 2)
    assert library.add(file, name="rows") == second


def test_refused_rows_come_back_as_they_stood(library: DatasetLibrary, file: Path) -> None:
    bad = ['{"question": "why"}', '{"question": "why", "answer"', '{"question": "é", "answer": null}']
    file.write_text("\n".join([json.dumps(ROWS[0]), *bad, json.dumps(ROWS[1])]) + "\n", encoding="utf-8")
    dataset = library.add(file)
    assert b"".join(library.refused(dataset.id)).decode() == "\n".join(bad) + "\n"


def test_refused_rows_of_a_table_come_back_as_json(library: DatasetLibrary, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("question,answer\nwhy,so\nhow,\n", encoding="utf-8")
    assert list(library.refused(library.add(path).id)) == [b'{"question":"how","answer":""}\n']


def test_a_dataset_without_refused_rows_has_none_to_hand_out(library: DatasetLibrary, file: Path) -> None:
    assert list(library.refused(library.add(file).id)) == []


def test_a_dataset_is_removed_only_when_nothing_needs_it(library: DatasetLibrary, file: Path, home: Home) -> None:
    dataset = library.add(file, name="rows")
    run = home.runs / "a-run"
    run.mkdir()
    (run / "config.yaml").write_text(f"data:\n  dataset: {dataset.id}\n", encoding="utf-8")
    with pytest.raises(WorkbenchError, match="a-run"):
        library.remove(dataset.id)
    (run / "config.yaml").unlink()
    edited = library.edit(dataset.id, Shuffle())
    with pytest.raises(WorkbenchError, match=edited.id):
        library.remove(dataset.id)
    library.remove(edited.id)
    library.remove(dataset.id)
    assert library.list() == []
    with pytest.raises(WorkbenchError):
        library.get(dataset.id)


def test_chosen_columns_are_part_of_what_a_dataset_is(library: DatasetLibrary, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"frage": "warum", "antwort": "darum", "grund": "so"}\n', encoding="utf-8")
    with pytest.raises(WorkbenchError, match="No format is known"):
        library.add(path)
    one = library.add(path, layout=Layout(kind="columns", question=("frage",), answer="antwort"))
    two = library.add(path, layout=Layout(kind="columns", question=("frage",), answer="grund"))
    assert one.id != two.id
    assert (one.format, one.rows) == ("columns", 1)
    assert [library.conversations(each.id)[0].messages[1].content for each in (one, two)] == ["darum", "so"]


def test_the_format_can_be_overridden(library: DatasetLibrary, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a wall", "label": "brick"}\n', encoding="utf-8")
    assert library.check(path).format == "text_label"
    assert library.check(path, "text").format == "text"


def test_a_large_file_is_read_by_a_process_of_its_own(
    library: DatasetLibrary, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file.open("a", encoding="utf-8") as rows:
        rows.writelines(json.dumps({"question": f"how {n}", "answer": "thus"}) + "\n" for n in range(5_000))
        rows.write('{"question": "why"}\n')
    small = library.check(file)
    monkeypatch.setattr("workbench.data.ingestion.LARGE", 0)
    shares: list[float] = []
    dataset = library.add(file, progress=shares.append)
    assert (dataset.rows, dataset.refused) == (5_005, 1)
    assert library.report(dataset.id) == small
    assert len(shares) >= 2
    assert shares == sorted(shares)
    assert len(library.conversations(dataset.id)) == 5_005


def test_a_reader_that_dies_leaves_nothing_behind(
    library: DatasetLibrary, file: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.data.ingestion.LARGE", 0)
    monkeypatch.setattr("workbench.data.ingestion.sys.executable", "/bin/false")
    with pytest.raises(WorkbenchError, match="not read to its end"):
        library.add(file)
    assert list(home.datasets.iterdir()) == []
