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
    except errors.DryRunError as error:  # says nothing itself: its cause does
        with explained(name, home):
            raise error.__cause__ or ConnectionError(str(error)) from error
    except errors.GatedRepoError as error:
        raise WorkbenchError(
            f"{name} is gated: its licence must be accepted first.",
            remedy=f"Accept it at https://huggingface.co/{name}, then start with HF_TOKEN in the environment.",
            field="base_model",
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError, errors.RemoteEntryNotFoundError) as error:
        raise WorkbenchError(
            f"The hub has no model {name}, or it is private.",
            remedy="Check the spelling; a private model needs HF_TOKEN in the environment.",
            field="base_model",
        ) from error
    except (HTTPError, ConnectionError, errors.LocalEntryNotFoundError) as error:
        raise unreachable(name, home) from error
    except OSError as error:
        raise WorkbenchError(
            f"Downloading {name} failed: {error}.",
            remedy="Check the disk and try again; the download goes on where it stopped.",
            field="base_model",
        ) from error


def unreachable(name: str, home: Home) -> WorkbenchError:
    """No connection, and no copy here; the remedy names what there is."""
    return WorkbenchError(
        f"The hub cannot be reached, and {name} is not on this machine.",
        remedy=f"{offer(home)} Or try again with a connection.",
        field="base_model",
    )
