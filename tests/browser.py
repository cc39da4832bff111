"""The browser of the tests: found on the machine, or installed when it is not.

``python -m tests.browser`` makes sure that there is one and says which; the tests call `browser_path`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def browser_path() -> Path | None:
    """A chromium or chrome on the path, else one that playwright downloaded, else None."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    return _downloaded()


def _downloaded() -> Path | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.is_file() else None


def ensure_browser() -> Path:
    """The browser's path; installs one when there is none. Ends the process with a plain sentence when it cannot."""
    return browser_path() or _download() or _install_debian_package() or _give_up()


def _download() -> Path | None:
    print("No chromium or chrome found: asking playwright to download one.", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"], capture_output=True, timeout=600, check=False
    )
    return _downloaded() if done.returncode == 0 else None


def _install_debian_package() -> Path | None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    print("The download did not work: installing Debian's chromium.", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
        subprocess.run(command, env=environment, capture_output=True, timeout=600, check=False)
    return browser_path()


def _give_up() -> Path:
    sys.exit(
        "The browser tests need chromium or chrome, and none could be installed. "
        "On Debian or Ubuntu: apt install chromium"
    )


if __name__ == "__main__":
    print(f"Browser: {ensure_browser()}")
