"""Tables of what cells measured: means and paired differences with intervals over seeds and questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from bridge_distill.statistics import Estimate, accuracy, difference, ratio
from bridge_distill.statistics.crossed import Spread
from cells import REFUSED, read_cells

Values = NDArray[np.float64]
Key = tuple[str, float, str]


def table(
    file: Path, against: Mapping[str, Any], ceiling: Mapping[str, Any] | None = None, figures: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """One row a (set, share, method), by what was computed first.

    ``over`` is the paired difference to the row whose share or method is as ``against`` says, ``of_ceiling`` the ratio
    to that of ``ceiling``, each over the seeds that both have; ``figures`` are means over the seeds that tell them.
    """
    written = read_cells(file)
    found: dict[Key, dict[int, dict[str, Any]]] = {}
    for cell in written:
        if REFUSED not in cell:
            found.setdefault((cell["set"], cell["share"], cell["method"]), {})[cell["seed"]] = cell
    rows = []
    for key, by_seed in found.items():
        row = row_of(key, np.array([cell["values"] for cell in by_seed.values()]))
        base = _paired(found, key, against)
        top = _paired(found, key, ceiling) if ceiling else None
        row |= {"over": differences(*base)} if base else {}
        row |= {"of_ceiling": ratios(*top)} if top else {}
        rows.append(row | {name: _mean([cell.get(name) for cell in by_seed.values()]) for name in figures})
    return rows + _refused(written, found)


def row_of(key: Key, values: Values) -> dict[str, Any]:
    """The mean of an array of shape (seeds, questions), with its interval."""
    name, share, method = key
    return {"set": name, "share": share, "method": method, "seeds": len(values), "mean": mean(values)}


def mean(values: Values) -> list[float]:
    """The mean of (seeds, questions) and its 95% interval."""
    return _listed(accuracy(values.astype(bool)) if _is_right(values) else _mean_of_any(values))


def differences(here: Values, there: Values) -> list[float]:
    """The mean difference and its 95% interval; both (seeds, questions), paired."""
    if _is_right(here) and _is_right(there):
        return _listed(difference(here.astype(bool), there.astype(bool)))
    return _listed(_mean_of_any(here - there))


def ratios(here: Values, there: Values) -> list[float] | None:
    """The ratio of two accuracies and its 95% interval, paired; None where there is none to tell."""
    found = ratio(here.astype(bool), there.astype(bool))
    return None if found is None else _listed(found)


def overall(file: Path, method: str) -> list[dict[str, Any]]:
    """Every other method's mean to that of ``method``, as a ratio: its geometric mean over all sets and shares.

    Intervals are Student's t over seeds within each set, whose shares have the same pools; the sets count as given.
    Shares that lack a seed of their set are left out, and sets of one seed, which tell no interval.
    """
    means: dict[Key, dict[int, float]] = {}
    for cell in read_cells(file):
        if REFUSED not in cell:
            means.setdefault((cell["set"], cell["share"], cell["method"]), {})[cell["seed"]] = float(
                np.mean(cell["values"])
            )
    rows = []
    for other in dict.fromkeys(name for _, _, name in means if name != method):
        logs: dict[str, list[dict[int, float]]] = {}
        for (group, share, name), by_seed in means.items():
            base = means.get((group, share, method), {})
            if name == other and by_seed.keys() == base.keys() and len(base) > 1:
                logs.setdefault(group, []).append({seed: np.log(by_seed[seed] / base[seed]) for seed in sorted(base)})
        whole = {group: [row for row in found if len(row) == max(map(len, found))] for group, found in logs.items()}
        if whole:
            rows.append({"method": other, **_geometric(whole)})
    return rows


def _geometric(logs: Mapping[str, Sequence[Mapping[int, float]]]) -> dict[str, Any]:
    """The ratio with its interval of the logarithms of each set, by share and seed; and how many shares lie under 1."""
    total = sum(map(len, logs.values()))
    middle = variance = freedom = 0.0
    for by_share in logs.values():
        over_seeds = [float(np.mean([row[seed] for row in by_share])) for seed in by_share[0]]
        weight, seeds = len(by_share) / total, len(over_seeds)
        part = weight**2 * float(np.var(over_seeds, ddof=1)) / seeds
        middle, variance, freedom = (
            middle + weight * fmean(over_seeds),
            variance + part,
            freedom + part**2 / (seeds - 1),
        )
    half = float(t.ppf(0.975, variance**2 / freedom)) * variance**0.5
    under = sum(fmean(row.values()) < 0 for by_share in logs.values() for row in by_share)
    found = [round(float(np.exp(value)), 4) for value in (middle, middle - half, middle + half)]
    return {"ratio": found, "lower_in": under, "of": total}


def markdown(rows: Sequence[Mapping[str, Any]], scale: float = 100) -> str:
    """The rows for people; values times ``scale``, ratios in per cent."""
    shown = [row for row in rows if REFUSED not in row]
    extra = [name for row in shown for name in row if name not in ("set", "share", "method", "seeds", "mean")]
    names = ["set", "share", "method", "seeds", "mean", *dict.fromkeys(extra)]
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    for row in shown:
        lines.append(f"| {' | '.join(_cell(name, row.get(name), scale) for name in names)} |")
    lines += [f"- {row['set']} {row['share']:.0%} {row['method']}: {row[REFUSED]}" for row in rows if REFUSED in row]
    return "\n".join(lines)


def _paired(found: Mapping[Key, Mapping[int, Any]], key: Key, to: Mapping[str, Any]) -> tuple[Values, Values] | None:
    """The values of a row and of the one that it is compared to, for the seeds that both have."""
    other = (key[0], to.get("share", key[1]), to.get("method", key[2]))
    both = sorted(found[key].keys() & found.get(other, {}).keys())
    if not both or other == key:
        return None
    here, there = (np.array([found[name][seed]["values"] for seed in both]) for name in (key, other))
    return here, there


def _is_right(values: Values) -> bool:
    return bool(np.isin(values, (0, 1)).all())


def _mean_of_any(table: Values) -> Estimate:
    spread, value = Spread.of(table), float(table.mean())
    half = 0.0 if spread.none else spread.half()
    return Estimate(value, value - half, value + half)


def _listed(found: Estimate) -> list[float]:
    return [round(value, 4) for value in (found.value, found.low, found.high)]


def _refused(written: Sequence[Mapping[str, Any]], found: Mapping[Key, Any]) -> list[dict[str, Any]]:
    """What was refused, and never computed since."""
    rows = {}
    for cell in written:
        key = (cell["set"], cell["share"], cell["method"])
        if REFUSED in cell and cell["seed"] not in found.get(key, {}):
            told = {"set": key[0], "share": key[1], "method": key[2]}
            rows[*key, cell["seed"]] = told | {REFUSED: f"seed {cell['seed']}: {cell[REFUSED]}"}
    return list(rows.values())


def _mean(values: Sequence[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None


def _cell(name: str, value: Any, scale: float) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        point, low, high = (number * (100 if name == "of_ceiling" else scale) for number in value)
        sign = "+" if name == "over" else ""
        return f"{point:{sign}.3g} [{low:{sign}.3g}, {high:{sign}.3g}]"
    if name == "share":
        return f"{value:.0%}"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
