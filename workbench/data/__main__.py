"""``python -m workbench.data FOLDER``: read a large file into the folder of a dataset."""

import sys

from workbench.data.ingestion import main

main(sys.argv[1])
