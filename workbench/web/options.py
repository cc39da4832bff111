"""How the server is reached: address, login, trusted host names, upload cap. Refuses what would lie open."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from workbench.errors import WorkbenchError

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ServeOptions:
    """What `serve` was asked for."""

    host: str = "127.0.0.1"
    port: int = 7860
    login: str | None = None
    """The user's name; None asks for no login."""
    password: str | None = field(default=None, repr=False)
    allow_hosts: tuple[str, ...] = ()
    """Names besides the own address under which a tunnel or notebook reaches this server."""
    root_path: str = ""
    """The path in front of every page when a proxy strips one."""
    max_upload: int = 2 * 2**30
    """Bytes of the largest file that may be sent."""

    def __post_init__(self) -> None:
        if self.login is not None and not self.password:
            raise WorkbenchError("A login needs a password.", remedy="Set WORKBENCH_PASSWORD in the environment.")
        if not self.loopback and self.login is None:
            raise WorkbenchError(
                f"Anybody who reaches {self.host} could use this machine.",
                remedy="Add --login USER with WORKBENCH_PASSWORD set, or serve on 127.0.0.1.",
            )
        if self.allow_hosts and self.login is None and "*" in self.allow_hosts:
            raise WorkbenchError("--allow-host '*' lets any page in.", remedy="Name the host, or add --login USER.")

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def address(self) -> str:
        """What to open in a browser on this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "localhost") else self.host
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}{self.root_path.rstrip('/')}"
