"""From ``python app.py`` to a served page, beside ``import gradio`` alone, in one run; the server must not load torch.

Run it with: python benchmarks/startup.py
Exit 1 when the page takes more than 2.5 times the import, or when the server process loaded torch.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
ROUNDS = 5
LIMIT = 2.5


def import_seconds() -> float:
    """`import gradio` in a process of its own, from start to end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True)
    return time.perf_counter() - started


def page_seconds(home: Path) -> tuple[float, bool]:
    """Until the first page has arrived whole, and whether the server process holds torch by then."""
    started = time.perf_counter()
    command = [sys.executable, "app.py", "--port", "0", "--home", str(home)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        httpx.get(_address(server)).raise_for_status()
        seconds = time.perf_counter() - started
        return seconds, "libtorch" in Path(f"/proc/{server.pid}/maps").read_text()
    finally:
        server.terminate()
        server.wait(timeout=30)


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        found = re.search(r"open (http://\S+)", line)
        if found:
            return found[1]
    raise SystemExit("the server ended before it was ready")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        import_seconds(), page_seconds(Path(folder))  # the disk's cache is warm from here on
        pairs = [(import_seconds(), page_seconds(Path(folder))) for _ in range(ROUNDS)]
    alone = statistics.median(seconds for seconds, _ in pairs)
    page = statistics.median(seconds for _, (seconds, _) in pairs)
    torch = any(held for _, (_, held) in pairs)
    print(f"import gradio           {alone:6.2f} s")
    print(f"app.py to a served page {page:6.2f} s   {page / alone:.2f} times (at most {LIMIT})")
    print(f"torch in the server     {'yes' if torch else 'no'}")
    sys.exit(page > LIMIT * alone or torch)


if __name__ == "__main__":
    main()
