"""A Hugging Face hub on loopback: the few routes that searching and downloading ask for, over folders of this test's.

Speaks the hub's own protocol to the real client: model lists and trees as JSON, files with ranges and hashes, errors
by the ``X-Error-Code`` header.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK = 16 * 1024


@dataclass
class Repository:
    """One model of the fake hub."""

    folder: Path
    gated: bool = False
    downloads: int = 100
    likes: int = 10
    licence: str = "apache-2.0"
    parameters: int = 1000

    def told(self, name: str) -> dict[str, Any]:
        """What the hub says of it in lists and alone."""
        return {
            "id": name,
            "modelId": name,
            "sha": COMMIT,
            "downloads": self.downloads,
            "likes": self.likes,
            "gated": "manual" if self.gated else False,
            "tags": ["text-generation", "safetensors", f"license:{self.licence}"],
            "safetensors": {"parameters": {"F32": self.parameters}, "total": self.parameters},
            "siblings": [{"rfilename": path.name} for path in sorted(self.folder.iterdir())],
        }


@dataclass
class FakeHub:
    """What is served, and what was asked."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    chunk_seconds: float = 0.0
    """How long each chunk of a file takes."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and ``Range`` of each file that was sent."""
    address: str = ""


@contextmanager
def serve_hub(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve `hub` until the end of the block; its address stands in it."""

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    served: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, *, body: bool) -> None:
        address = urlsplit(self.path)
        parts = unquote(address.path).strip("/").split("/")
        if parts[:2] == ["api", "models"] and len(parts) == 2:
            wanted = parse_qs(address.query).get("search", [""])[0].lower()
            self._json([each.told(name) for name, each in self.served.repositories.items() if wanted in name.lower()])
            return
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        repository = self.served.repositories.get(name)
        if repository is None:
            self._refuse(404, "RepoNotFound")
        elif parts[0] == "api":
            self._json(_tree(repository.folder) if "tree" in parts else repository.told(name))
        elif repository.gated:
            self._refuse(403, "GatedRepo")
        else:
            self._file(repository.folder / parts[-1], body=body)

    def _json(self, value: Any) -> None:
        content = json.dumps(value).encode()
        self._head(200, {"Content-Type": "application/json", "Content-Length": str(len(content))})
        self.wfile.write(content)

    def _refuse(self, status: int, code: str) -> None:
        self._head(status, {"X-Error-Code": code, "X-Error-Message": code, "Content-Length": "0"})

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _file(self, path: Path, *, body: bool) -> None:
        if not path.is_file():
            self._refuse(404, "EntryNotFound")
            return
        content = path.read_bytes()
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").partition("-")[0] or 0) if asked else 0
        self._head(
            206 if asked else 200,
            {
                "X-Repo-Commit": COMMIT,
                "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "Accept-Ranges": "bytes",
                "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}",
                "Content-Length": str(len(content) - start),
            },
        )
        if not body:
            return
        self.served.asked.append((path.name, asked))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client stopped
            for place in range(start, len(content), CHUNK):
                time.sleep(self.served.chunk_seconds)
                self.wfile.write(content[place : place + CHUNK])


def _tree(folder: Path) -> list[dict[str, Any]]:
    return [
        {
            "type": "file",
            "path": path.name,
            "size": path.stat().st_size,
            "oid": hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest(),
        }
        for path in sorted(folder.iterdir())
    ]
