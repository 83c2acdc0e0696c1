"""What a study found: ``summary.json`` for machines, ``report.html`` for people, and a table for the terminal."""

from bridge_distill.report.study.folder import is_study, open_study
from bridge_distill.report.study.page import write_study_report
from bridge_distill.report.study.summary import summarise_study
from bridge_distill.report.study.table import in_words

__all__ = ["in_words", "is_study", "open_study", "summarise_study", "write_study_report"]
