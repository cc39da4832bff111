"""``python -m workbench.data FOLDER [BEFORE [OTHER]]``: read a large file into a dataset, or edit a large dataset."""

import sys

from workbench.data.ingestion import main

main(*sys.argv[1:])
