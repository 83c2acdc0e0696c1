"""What a text computes: expressions of numbers, and whether its equations hold."""

from bridge_distill.arithmetic.equations import FailedStep, failed_step

__all__ = ["FailedStep", "failed_step"]
