"""Where what a study used comes from: its statistics, and what its run files name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bridge_distill.report.study.words import every_row

SETTINGS = {
    "bridge": "Selection by difficulty and coverage, and an assistant between teacher and student: Le, Tran and "
    "Nguyen (2025), BRIDGE, arXiv 2512.20403; the formulas are this program's.",
    "reason1k": "Selection of traces, in our own formulas: Zhong and Tang (2025), ReasonBridge, arXiv 2506.22865.",
    "reasoning-sparse": "Sparse adapter, in our own formulas: Zhong and Tang (2025), ReasonBridge, arXiv 2506.22865.",
    "dpp": "Determinantal point process: L. Chen et al. (2017), arXiv 1709.05135.",
    "k_center": "k-center: T. Gonzalez (1985); O. Sener and S. Savarese (2017), arXiv 1708.00489.",
    "k_means": "k-means: V. Birodkar et al. (2019), arXiv 1901.11409.",
    "lora": "LoRA: E. Hu et al. (2021), arXiv 2106.09685.",
    "deita": "DEITA: W. Liu et al. (2023), arXiv 2312.15685.",
    "typical": "TypiClust: G. Hacohen et al. (2022), arXiv 2202.02794.",
    "max_herding": "MaxHerding: W. Bae et al. (2024), arXiv 2407.12212.",
    "rds": "RDS+: H. Ivison et al. (2025), arXiv 2503.01807.",
    "multi_task": "Distilling step-by-step: C.-Y. Hsieh et al. (2023), arXiv 2305.02301.",
    "on_policy": "On-policy distillation: R. Agarwal et al. (2023), arXiv 2306.13649; Y. Gu et al. (2023), "
    "arXiv 2306.08543.",
    "distil": "Distillation on probabilities: G. Hinton et al. (2015), arXiv 1503.02531.",
}
SEEDS = (
    "Intervals and p-values over seeds and questions: means of a two-way layout whose few seeds are averaged over the "
    "chi-square distribution of their mean square (Behrens-Fisher), as generalised confidence intervals: S. Weerahandi "
    "(1993), JASA 88."
)
WILSON = "Intervals of an accuracy with one seed: E. B. Wilson (1927), JASA 22."
PAIRED = (
    "Differences with one seed, paired over questions: R. G. Newcombe (1998), Statistics in Medicine 17, method 10; "
    "exact test of Q. McNemar (1947), Psychometrika 12."
)
CONTEXTS = (
    "Errors clustered by the context that questions share: K.-Y. Liang and S. L. Zeger (1986), Biometrika 73; "
    "E. Miller (2024), arXiv 2411.00640."
)
HOLM = "P-values corrected over all comparisons of the study: S. Holm (1979), Scandinavian Journal of Statistics 6."


def citations(summary: dict[str, Any], configs: Iterable[dict[str, Any]]) -> list[str]:
    """One sentence for each method that the study used, and for no other."""
    named = {name for config in configs for name in _names(config)}
    return [*_statistics(summary), *(text for name, text in SETTINGS.items() if name in named)]


def _statistics(summary: dict[str, Any]) -> Iterator[str]:
    rows = [row for _, row in every_row(summary)]
    grouped = [found["contexts"] is not None for found in summary["sets"].values() for _ in found["arms"]]
    alone = [len(row["seeds"]) == 1 and not group for row, group in zip(rows, grouped, strict=True)]
    if not all(alone):
        yield SEEDS
    if any(alone):
        yield WILSON
        if any(row["difference"] for row, one in zip(rows, alone, strict=True) if one):
            yield PAIRED
    if any(grouped):
        yield CONTEXTS
    if summary["comparisons"] > 1:
        yield HOLM


def _names(config: dict[str, Any]) -> Iterator[str]:
    """The selection method, the adapter and the phases that a run's settings name."""
    assistant, student = config.get("assistant"), config.get("student") or {}
    if assistant is not None:
        yield "bridge"
        yield str((assistant.get("adapter") or {}).get("kind"))
    yield str((config.get("select") or {}).get("method"))
    for phase in student.get("curriculum") or []:
        yield str(phase.get("phase") if isinstance(phase, dict) else phase)
