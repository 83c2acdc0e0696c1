"""How often 95% intervals over seeds and questions hold the truth, and how long a study's statistics take.

Worlds are drawn in which seeds and questions differ by known amounts; ours stands beside percentiles of a two-level
bootstrap (seeds and questions both resampled), which a reader may expect, and beside identical arms that should not be
told apart. Seeds differ by a standard deviation on the logistic scale: 0.2 is about 4 points of accuracy.

    python benchmarks/intervals.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import platform
import time

import numpy as np
from numpy.typing import NDArray

from bridge_distill.statistics import accuracy, difference, holm, ratio

SKILL, BETWEEN_QUESTIONS, LUCK, QUESTIONS, ARMS = 0.6, 1.5, 0.7, 200, 4
RESAMPLES = 1000
Table = NDArray[np.bool_]


def answers(rng: np.random.Generator, seeds: int, between: float, easy: NDArray[np.float64]) -> Table:
    """The answers of one arm, of shape (seeds, questions)."""
    spread = rng.normal(0, between, (seeds, 1)) + easy + rng.normal(0, LUCK, (seeds, len(easy)))
    return np.asarray(rng.random((seeds, len(easy))) < 1 / (1 + np.exp(-SKILL - spread)))


def truth(rng: np.random.Generator, between: float) -> float:
    """The accuracy over all seeds and questions."""
    spread = (between**2 + BETWEEN_QUESTIONS**2 + LUCK**2) ** 0.5
    return float((1 / (1 + np.exp(-SKILL - rng.normal(0, spread, 2_000_000)))).mean())


def bootstrap(rng: np.random.Generator, right: Table) -> tuple[float, float]:
    """Percentiles of the mean when seeds and questions are both drawn again."""
    seeds, questions = right.shape
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
    of_questions = rng.multinomial(questions, np.full(questions, 1 / questions), RESAMPLES) / questions
    means = np.einsum("bs,bs->b", of_questions @ right.T.astype(np.float64), of_seeds)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def cell(seeds: int, between: float, worlds: int) -> dict[str, float]:
    """Coverage of both intervals, and the share of studies that tell identical arms apart, before and after Holm."""
    rng = np.random.default_rng([seeds, round(100 * between)])
    target = truth(rng, between)
    ours = theirs = pairs = studies = 0
    widths: list[float] = []
    for _ in range(worlds):
        easy = rng.normal(0, BETWEEN_QUESTIONS, QUESTIONS)
        arms = [answers(rng, seeds, between, easy) for _ in range(ARMS)]
        found, (low, high) = accuracy(arms[0]), bootstrap(rng, arms[0])
        widths.append(50 * (found.high - found.low))
        ours += found.low <= target <= found.high
        theirs += low <= target <= high
        p = [difference(arm, arms[0]).p or 0.0 for arm in arms[1:]]
        pairs += p[0] <= 0.05
        studies += min(holm(p)) <= 0.05
    counts = {"ours": ours, "bootstrap": theirs, "one_pair_apart": pairs, "study_apart": studies}
    design = {"seeds": seeds, "between": between, "half_width_points": round(float(np.median(widths)), 1)}
    return {**design, **{name: round(count / worlds, 3) for name, count in counts.items()}}


def speed() -> float:
    """Seconds for accuracies, differences and ratios of 10 arms, 5 seeds and 1,000 questions."""
    rng = np.random.default_rng(0)
    arms = [answers(rng, 5, 0.2, rng.normal(0, BETWEEN_QUESTIONS, 1000)) for _ in range(10)]
    started = time.perf_counter()
    for arm in arms:
        accuracy(arm)
        difference(arm, arms[0])
        ratio(arm, arms[0])
    return time.perf_counter() - started


def main() -> None:
    """Measure once and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer worlds and cells, under 50 seconds")
    quick = parser.parse_args().quick
    worlds, designs = (
        (150, [(3, 0.2), (5, 0.2)]) if quick else (400, [(s, b) for s in (2, 3, 5) for b in (0, 0.2, 0.5)])
    )
    cells = [cell(seeds, between, worlds) for seeds, between in designs]
    print(
        json.dumps(
            {
                "benchmark": "intervals",
                "machine": platform.machine(),
                "worlds": worlds,
                "questions": QUESTIONS,
                "arms": ARMS,
                "cells": cells,
                "seconds_of_a_study": round(speed(), 2),
            }
        )
    )


if __name__ == "__main__":
    main()
