"""What the hub client raises, as sentences with a remedy: gated, absent, unreachable, broken off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.on_disk import offer


@contextmanager
def explained(name: str, home: Home) -> Iterator[None]:
    """Turn what goes wrong with ``org/name`` inside into a `WorkbenchError` beside ``base_model``."""
    from httpx2 import HTTPError  # the hub client's own HTTP library
    from huggingface_hub import errors

    try:
        yield
    except (HTTPError, OSError, errors.HFValidationError, errors.DryRunError) as error:
        told = error.__cause__ if isinstance(error, errors.DryRunError) else error  # a dry run says nothing itself
        raise _refusal(told, name, home) from error


def _refusal(error: BaseException | None, name: str, home: Home) -> WorkbenchError:
    """What an error of the hub client means."""
    from httpx2 import HTTPError
    from huggingface_hub import errors

    absent = (errors.RepositoryNotFoundError, errors.HFValidationError, errors.RemoteEntryNotFoundError)
    if isinstance(error, errors.GatedRepoError):
        return WorkbenchError(
            f"{name} is gated: its licence must be accepted first.",
            remedy=f"Accept it at https://huggingface.co/{name}, then start with HF_TOKEN in the environment.",
            field="base_model",
        )
    if isinstance(error, absent):
        return WorkbenchError(
            f"The hub has no model {name}, or it is private.",
            remedy="Check the spelling; a private model needs HF_TOKEN in the environment.",
            field="base_model",
        )
    if error is None or isinstance(error, (HTTPError, ConnectionError, errors.LocalEntryNotFoundError)):
        return unreachable(name, home)
    return WorkbenchError(
        f"Downloading {name} failed: {error}.",
        remedy="Check the disk and try again; the download goes on where it stopped.",
        field="base_model",
    )


def unreachable(name: str, home: Home) -> WorkbenchError:
    """No connection, and no copy here; the remedy names what there is."""
    return WorkbenchError(
        f"The hub cannot be reached, and {name} is not on this machine.",
        remedy=f"{offer(home)} Or try again with a connection.",
        field="base_model",
    )
