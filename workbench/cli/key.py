"""The API key of the endpoint for the user's own programs, of this home or of a server that was named."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.cli.connection import PASSWORD, SERVER
from workbench.cli.remote import Remote
from workbench.home import Home


def key(home: Path | None, *, new: bool) -> None:
    """Print the key; with `new` make another first, after which the old one opens nothing."""
    named = os.environ.get(SERVER)
    if named:
        with Remote(named, password=os.environ.get(PASSWORD)) as remote:
            print(remote.api_key(new=new))
        return
    from workbench.playground.endpoint import api_key, new_api_key

    place = Home.locate(home)
    print(new_api_key(place) if new else api_key(place))
