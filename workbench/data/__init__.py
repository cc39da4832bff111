"""Datasets: read and checked, kept by content, split, and rendered into tokens. Torch-free, quick to import."""

from workbench.data.advice import advice
from workbench.data.answers import render
from workbench.data.examination import Report, examine
from workbench.data.library import DatasetLibrary, content_hash
from workbench.data.partition import Partition, overlap, partition, resolved, validation_rows
from workbench.data.rendering import Encoded, encode, encode_all
from workbench.data.samples import Sample, samples
from workbench.data.split import split
from workbench.data.templates import TEMPLATES
from workbench.data.tokens import TokensReport, tokens_report, tokens_reports

__all__ = [
    "TEMPLATES",
    "DatasetLibrary",
    "Encoded",
    "Partition",
    "Report",
    "Sample",
    "TokensReport",
    "advice",
    "content_hash",
    "encode",
    "encode_all",
    "examine",
    "overlap",
    "partition",
    "render",
    "resolved",
    "samples",
    "split",
    "tokens_report",
    "tokens_reports",
    "validation_rows",
]
