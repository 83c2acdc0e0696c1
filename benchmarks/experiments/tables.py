"""Tables of what cells measured: means and paired differences with intervals over seeds and questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.statistics import interval
from cells import REFUSED, read_cells

Values = NDArray[np.float64]
Key = tuple[str, float, str]
DRAWS = 4000


def table(
    file: Path, against: Mapping[str, Any], ceiling: Mapping[str, Any] | None = None, figures: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """One row a (set, share, method), by what was computed first.

    ``over`` is the paired difference to the row whose share or method is as ``against`` says, ``of_ceiling`` the ratio
    to that of ``ceiling``, each over the seeds that both have; ``figures`` are means over seeds.
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
        rows.append(row | {name: _mean([cell[name] for cell in by_seed.values()]) for name in figures})
    return rows + _refused(written, found)


def row_of(key: Key, values: Values) -> dict[str, Any]:
    """The mean of an array of shape (seeds, questions), with its interval."""
    name, share, method = key
    return {"set": name, "share": share, "method": method, "seeds": len(values), "mean": mean(values)}


def mean(values: Values) -> list[float]:
    """The mean of (seeds, questions) and its 95% interval.

    Of right or wrong (1 or 0) never narrower than Wilson's for the questions alone, which few seeds, or none right,
    would make it.
    """
    found = _resampled(lambda draw: draw(values), values)
    if np.isin(values, (0, 1)).all():
        low, high = interval(round(float(values.mean()) * values.shape[1]), values.shape[1])
        found = [found[0], min(found[1], round(low, 4)), max(found[2], round(high, 4))]
    return found


def differences(here: Values, there: Values) -> list[float]:
    """The mean difference and its 95% interval; both (seeds, questions), paired."""
    return _resampled(lambda draw: draw(here) - draw(there), here)


def ratios(here: Values, there: Values) -> list[float] | None:
    """The ratio of the means and its 95% interval, paired; None where a draw of ``there`` may be 0."""
    if not there.any(axis=1).all() or here.shape[1] < 2:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        found = _resampled(lambda draw: draw(here) / draw(there), here)
    return found if np.isfinite(found).all() else None


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


def _resampled(statistic: Callable[[Callable[[Values], Any]], Any], like: Values) -> list[float]:
    """A statistic of means, with 95% of what it is where seeds and questions are drawn anew, the same for all means."""
    seeds, questions = like.shape
    random = np.random.default_rng(0)
    by_seed = random.multinomial(seeds, np.full(seeds, 1 / seeds), DRAWS) / seeds
    by_question = random.multinomial(questions, np.full(questions, 1 / questions), DRAWS) / questions
    drawn = statistic(lambda values: np.einsum("bs,sq,bq->b", by_seed, values, by_question, optimize=True))
    point = statistic(lambda values: values.mean())
    return [round(float(value), 4) for value in (point, *np.quantile(drawn, [0.025, 0.975]))]


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
