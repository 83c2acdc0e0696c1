"""What a run was worth: ``summary.json`` for machines and a self-contained ``report.html`` for people."""

from bridge_distill.report.page import write_report
from bridge_distill.report.summary import summarise, write_summary

__all__ = ["summarise", "write_report", "write_summary"]
