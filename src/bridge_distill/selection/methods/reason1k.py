"""Quality, then difficulty, then diversity: how ReasonBridge and s1 come to their thousand questions.

ReasonBridge (arXiv 2506.22865) names the three criteria without a formula; the steps are those of s1 (Muennighoff
et al. 2025, arXiv 2501.19393). Gates on signals remove bad questions; of the rest the hardest share stays, where s1
keeps what two models fail; then domains take turns, and within a domain the question of rank r is drawn with
weight 2^-r, where s1 ranks by the length of the reply and we, who have none yet, by a signal. Cost: one sort
for each domain, and one k-means where no domains are known.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from bridge_distill.config import Positive, Share
from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.strata import Strata, in_proportion, in_turn, served_first, strata


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

    ``quotas``: domains are served ``equal``ly, as in s1, or in ``proportion`` to what each has left;
    ``clusters`` stand for domains where no question has one.
    """

    gates: dict[str, Gate] = {}
    hardest: Share = 0.5
    by: str = "difficulty"
    quotas: Literal["equal", "proportion"] = "equal"
    clusters: Positive = 20


@selectors.register("reason1k")
class Reason1k(Selector[Reason1kOptions]):
    """``gain`` is the ranking signal. Where the budget asks for more, easy questions follow, then gated ones."""

    options = Reason1kOptions
    needs = frozenset({"difficulty"})

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """What passes everything first. Ties in a signal go to the first id."""
        failed = self._gated(pool)
        passed = np.flatnonzero(failed == "")
        by_difficulty = passed[np.argsort(-pool.hardness[passed], kind="stable")]
        cut = int(np.ceil(self.settings.hardest * len(passed)))
        values = pool.signal(self.settings.by, "select.options.by")
        groups = strata(pool, self.settings.clusters, self.seed, self.threads)
        draw = np.random.default_rng(self.seed)
        picks: list[Pick] = []
        for tier in (by_difficulty[:cut], by_difficulty[cut:], np.flatnonzero(failed != "")):
            for row in self._diverse(tier, values, groups, draw, pool.is_taken):
                why = failed[row] or ("" if len(picks) < cut else "easier than the hardest share")
                reason = f"{groups.names[groups.of[row]]}, {self.settings.by} {values[row]:.2f}"
                taken = f"; {why}, taken since nothing better is left" if why else ""
                picks.append(Pick(int(row), float(values[row]), reason + taken))
        return [pick for pick in picks if not pool.is_taken[pick.index]][:count]

    def _gated(self, pool: Pool) -> NDArray[np.object_]:
        """The first gate that each question fails, "" where none."""
        failed = np.full(len(pool), "", dtype=object)
        for name, gate in self.settings.gates.items():
            values = pool.signal(name, "select.options.gates")
            low, high = gate.at_least, gate.at_most
            if low is not None:
                failed[(values < low) & (failed == "")] = f"fails the gate {name} at least {low:g}"
            if high is not None:
                failed[(values > high) & (failed == "")] = f"fails the gate {name} at most {high:g}"
        return failed

    def _diverse(
        self,
        rows: NDArray[np.int64],
        values: NDArray[np.float64],
        groups: Strata,
        draw: np.random.Generator,
        taken: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """Strata in a drawn order, each by weights that halve with every rank."""
        if not len(rows):
            return rows
        ranked = np.sort(rows)
        ranked = ranked[np.argsort(-values[ranked], kind="stable")]
        drawn = []
        for group in groups.groups(ranked):
            # The largest of log weight + Gumbel noise is a draw by weight; all of them sorted, without replacement.
            keys = draw.gumbel(size=len(group)) - np.arange(len(group)) * np.log(2)
            drawn.append(group[np.argsort(-keys, kind="stable")])
        drawn = served_first([drawn[at] for at in draw.permutation(len(drawn))], taken)
        return in_turn(drawn) if self.settings.quotas == "equal" else in_proportion(drawn)
