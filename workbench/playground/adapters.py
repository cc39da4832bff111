"""Adapters and other speakers that a user adds to the playground: from a folder, a zip or the hub, a merged model,
another server. Each becomes a folder under the home, checked before it is kept.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.safetensors_folder import require_loadable
from workbench.playground.adapter_files import KEPT, WEIGHTS, read_adapter_config, require_fit
from workbench.playground.adapter_hub import fetch_adapter
from workbench.playground.adapter_zip import unpack
from workbench.playground.external import external_models
from workbench.protocol.added import ADAPTER, FACTS, ID_FORM, Added, list_added, read_added
from workbench.records.base_models import Blueprint

_LONGEST_NAME = 80


class AdapterLibrary:
    """What was added to one home; safe to use from several threads, each entry being written once."""

    def __init__(self, home: Home, blueprint: Callable[[str], Blueprint]) -> None:
        self._home = home
        self._blueprint = blueprint

    def list(self, base_model: str | None = None) -> list[Added]:
        """The newest first; the adapters of one base model alone when it is named, with all that is no adapter."""
        entries = list_added(self._home)
        return [added for added in entries if base_model in (None, added.base_model) or added.kind != "adapter"]

    def get(self, added_id: str) -> Added:
        """The entry; raises `WorkbenchError` when there is none."""
        added = read_added(self._home, added_id)
        if added is None:
            raise WorkbenchError(f"Nothing of the id “{added_id}” was added.", remedy="Look at the list again.")
        return added

    def add_folder(self, path: str, base_model: str, name: str = "") -> Added:
        """An adapter in a folder of this machine; its files are copied."""
        folder = Path(path).expanduser()
        if not folder.is_dir():
            raise WorkbenchError(f"There is no folder {path} on this machine.", remedy="Check it.", field="adapter")
        return self._keep(folder, base_model, name or folder.name, str(folder))

    def add_zip(self, archive: Path, base_model: str, name: str) -> Added:
        """An adapter in a zip that was uploaded; `name` is the zip's own."""
        unpacked = self._home.uploads / f"adapter-{secrets.token_hex(8)}"
        unpacked.mkdir()
        try:
            unpack(archive, unpacked)
            return self._keep(unpacked, base_model, Path(name).stem, name)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)

    def add_hub(self, repository: str, base_model: str, name: str = "") -> Added:
        """An adapter of the Hugging Face hub, ``org/name``."""
        repository = repository.strip().removeprefix("hub:")
        folder = fetch_adapter(repository, self._home)
        return self._keep(folder, base_model, name or repository, f"hub:{repository}")

    def add_merged(self, path: str, name: str = "") -> Added:
        """A whole model in a folder, such as one that an adapter was merged into; it stays where it is."""
        folder = Path(path).expanduser().resolve()
        try:
            require_loadable(folder)
        except WorkbenchError as error:
            raise WorkbenchError(error.message, remedy=error.remedy, field="adapter") from error
        facts = {"kind": "merged", "source": str(folder), "base_model": f"folder:{folder}"}
        return self._write(name or folder.name, facts, None)

    def add_endpoint(self, address: str, name: str = "") -> Added:
        """Another OpenAI-compatible server with its models; raises `WorkbenchError` when it does not answer."""
        address = address.strip().rstrip("/")
        models = external_models(address)
        facts = {"kind": "endpoint", "source": address, "models": models}
        return self._write(name or re.sub(r"^https?://", "", address), facts, None)

    def remove(self, added_id: str) -> None:
        """Forget the entry, and delete the files that were copied for it."""
        added = self.get(added_id)
        gone = self._home.adapters / f".{added.id}-{secrets.token_hex(4)}"
        (self._home.adapters / added.id).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _keep(self, folder: Path, base_model: str, name: str, source: str) -> Added:
        """Check the adapter in `folder` against its base model, and copy it."""
        config = read_adapter_config(folder)
        if not base_model:
            raise WorkbenchError(
                "An adapter needs its base model.", remedy="Pick the one it was trained on.", field="base_model"
            )
        require_fit(folder, self._blueprint(base_model))
        rank = config.get("r")
        facts = {
            "kind": "adapter",
            "source": source,
            "base_model": base_model,
            "method": "dora" if config.get("use_dora") else config["peft_type"].lower(),
            "rank": rank if isinstance(rank, int) else None,
            "bytes": (folder / WEIGHTS).stat().st_size,
        }
        return self._write(name, facts, folder)

    def _write(self, name: str, facts: dict[str, Any], files: Path | None) -> Added:
        """Write the entry beside its place first, so that half an entry is never seen."""
        name = name[:_LONGEST_NAME]
        added = Added.model_validate({**facts, "id": self._new_id(name), "name": name, "created": time.time()})
        making = self._home.adapters / f".{added.id}"
        try:
            (making / ADAPTER).mkdir(parents=True)
            for kept in KEPT if files is not None else ():
                if files is not None and (files / kept).is_file():
                    shutil.copyfile(files / kept, making / ADAPTER / kept)
            (making / FACTS).write_text(added.model_dump_json(indent=2), encoding="utf-8")
            making.rename(self._home.adapters / added.id)
        except OSError as error:
            shutil.rmtree(making, ignore_errors=True)
            raise WorkbenchError(
                f"The adapter cannot be kept: {error}.", remedy="Free some space and try again.", field="adapter"
            ) from error
        return added

    def _new_id(self, name: str) -> str:
        readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
        while True:
            made = f"{readable or 'adapter'}-{secrets.token_hex(2)}"
            assert ID_FORM.fullmatch(made)
            if not (self._home.adapters / made).exists() and not (self._home.runs / made).exists():
                return made
