"""Datasets: read and checked, kept by content, split, and rendered into tokens. Torch-free, quick to import."""

from workbench.data.examination import Report, examine
from workbench.data.library import DatasetLibrary, content_hash
from workbench.data.samples import Sample, samples
from workbench.data.split import split

__all__ = ["DatasetLibrary", "Report", "Sample", "content_hash", "examine", "samples", "split"]
