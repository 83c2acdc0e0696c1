"""Quality, then difficulty, then diversity: how ReasonBridge and s1 come to their thousand questions.

ReasonBridge (arXiv 2506.22865) names the three criteria without a formula; the steps are those of s1 (Muennighoff
et al. 2025, arXiv 2501.19393). Gates on signals remove bad questions; of the rest the hardest share stays, where s1
keeps what two models fail; then domains take turns, in a domain its clusters, and in a cluster the question of
rank r is drawn with weight 2^-r, where s1 ranks by the length of the reply and we, who have none yet, by a signal.
s1 draws domains at random, here they are served evenly; its hand-picked first 384 have no counterpart. Cost: one
k-means where there are embeddings, a sort, and domains + clusters for each question chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, model_validator

from bridge_distill.config import Positive, Share
from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.strata import Cells, cells
from bridge_distill.selection.turns import Quotas, Shelf, Turns, read_quota

QUOTAS = "select.options.quotas"


class Gate(Section):
    """Bounds of a signal, both inclusive."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _some_bound(self) -> Gate:
        if self.at_least is None and self.at_most is None:
            raise ValueError("needs at_least or at_most")
        return self


class Reason1kOptions(Section):
    """``gates`` by signal; ``hardest``: the share of what passes that counts as hard; ``by``: the signal of ranks.

    ``turns``: domains are served ``equal``ly, or in ``proportion`` to how many questions of each pass the gates;
    ``quotas``: the most questions of a domain, a count or a share of the choice such as ``10%`` (rounded up, at
    every beginning of the choice); ``clusters`` within domains, and in their place where no question has one.
    """

    gates: dict[str, Gate] = {}
    hardest: Share = 0.5
    by: str = "difficulty"
    turns: Literal["equal", "proportion"] = "equal"
    quotas: dict[str, Annotated[int | str, BeforeValidator(read_quota)]] = {}
    clusters: Positive = 20


@dataclass(frozen=True)
class _Ranked:
    """What stands fixed before anything is served: the first gate that each question fails ("" none), whether it
    is of the hardest share, its cell, and its place (from 0) among the ``size`` questions of its standing there.
    """

    failed: NDArray[np.object_]
    hard: NDArray[np.bool_]
    cells: Cells
    values: NDArray[np.float64]
    place: NDArray[np.int64]
    size: NDArray[np.int64]


@selectors.register("reason1k")
class Reason1k(Selector[Reason1kOptions]):
    """``gain`` is the ranking signal.

    Where the budget asks for more than gates, hardest share and quotas leave, easier questions follow, then those
    beyond quotas, then gated ones.
    """

    options = Reason1kOptions
    needs = frozenset({"difficulty"})

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """Ties in a signal go to the first id. What was taken before counts in quotas and turns."""
        ranked = self._ranked(pool)
        found, draw = ranked.cells, np.random.default_rng(self.seed)
        # The largest of log weight + Gumbel noise is a draw by weight; all of them sorted, without replacement.
        keys = draw.gumbel(size=len(pool)) - ranked.place * np.log(2)
        order = np.argsort(-keys, kind="stable")
        order = order[~np.isin(order, pool.taken)]
        passed = ranked.failed == ""
        hard, easy, gated = (Shelf(order[part[order]], found) for part in (ranked.hard, passed & ~ranked.hard, ~passed))
        sizes = np.bincount(found.domain[found.of[passed]], minlength=len(found.names)).astype(np.float64)
        weights = np.ones(len(sizes)) if self.settings.turns == "equal" else sizes
        turns, quotas = Turns(found, weights, pool.taken, draw), Quotas(self.settings.quotas, found.names, QUOTAS)
        every = np.ones(len(sizes), dtype=np.bool_)
        picks: list[Pick] = []
        while len(picks) < count:
            within = quotas.open(turns.served)
            wishes = ((hard, within), (easy, within), (hard, every), (easy, every), (gated, within), (gated, every))
            row = next(row for row in (turns.next(*wish) for wish in wishes) if row is not None)
            picks.append(self._pick(row, ranked, bool(within[found.domain[found.of[row]]])))
        return picks

    def _ranked(self, pool: Pool) -> _Ranked:
        failed = self.gated(pool)
        passed = np.flatnonzero(failed == "")
        hardest = passed[np.argsort(-pool.hardness[passed], kind="stable")]
        hard = np.zeros(len(pool), dtype=np.bool_)
        hard[hardest[: int(np.ceil(self.settings.hardest * len(passed)))]] = True
        values = pool.signal(self.settings.by, "select.options.by")
        found = cells(pool, self.settings.clusters, self.seed, self.threads)
        standing = 3 * found.of + np.where(failed != "", 2, np.where(hard, 0, 1))
        order = np.lexsort((np.arange(len(pool)), -values, standing))
        size = np.bincount(standing)
        place = np.empty(len(pool), dtype=np.int64)
        place[order] = np.arange(len(pool)) - (np.cumsum(size) - size)[standing[order]]
        return _Ranked(failed, hard, found, values, place, size[standing])

    def gated(self, pool: Pool) -> NDArray[np.object_]:
        """The first gate that each question fails in words, "" where none; shape (n,)."""
        failed = np.full(len(pool), "", dtype=object)
        for name, gate in self.settings.gates.items():
            values = pool.signal(name, "select.options.gates")
            low, high = gate.at_least, gate.at_most
            if low is not None:
                failed[(values < low) & (failed == "")] = f"fails the gate {name} at least {low:g}"
            if high is not None:
                failed[(values > high) & (failed == "")] = f"fails the gate {name} at most {high:g}"
        return failed

    def _pick(self, row: int, ranked: _Ranked, within: bool) -> Pick:
        cell, value = int(ranked.cells.of[row]), float(ranked.values[row])
        why = [str(ranked.failed[row])] if ranked.failed[row] else []
        why += [] if why or ranked.hard[row] else ["easier than the hardest share"]
        why += [] if within else [f"beyond the quota of {ranked.cells.names[ranked.cells.domain[cell]]}"]
        left = f"; {' and '.join(why)}, taken since nothing better is left" if why else ""
        place = f"{ranked.place[row] + 1} of {ranked.size[row]} by {self.settings.by}, {value:.2f}"
        return Pick(row, value, f"{ranked.cells.labels[cell]}: {place}{left}")
