"""The command line: everything the page does, from the same config file.

Knows how to read options and print; every ability is a call of `Connection`, which reaches the running server or,
where none runs, owns the home for the command's duration.
"""

from workbench.cli.main import main

__all__ = ["main"]
