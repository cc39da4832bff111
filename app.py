"""Start the workbench: ``python app.py`` is ``workbench serve`` and takes the same options."""

import sys

from workbench.cli import main

if __name__ == "__main__":
    main(["serve", *sys.argv[1:]])
