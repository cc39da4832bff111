"""Files of rows, one module a kind: JSON lines, a JSON list, CSV and TSV, Parquet, each perhaps gzipped.

The kind is told from the first bytes, with the name as a hint where they leave a doubt. Every reader streams in
bounded memory and hands on numbered rows; what a row means is not known here.
"""

from workbench.data.files.opening import OpenFile, open_file
from workbench.data.files.rows import FileRefused, NumberedRow

__all__ = ["FileRefused", "NumberedRow", "OpenFile", "open_file"]
