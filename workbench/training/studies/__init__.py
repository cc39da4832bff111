"""What some methods read out of the run's rows before training begins, one file a method."""

from workbench.training.studies.findings import Findings, Start, begin_with, load_findings, save_findings
from workbench.training.studies.reading import Reading
from workbench.training.studies.study import STUDIES, Study, fitted, study_of

__all__ = [
    "STUDIES",
    "Findings",
    "Reading",
    "Start",
    "Study",
    "begin_with",
    "fitted",
    "load_findings",
    "save_findings",
    "study_of",
]
