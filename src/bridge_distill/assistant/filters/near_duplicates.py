"""Near duplicates: an explanation in nearly the words of one that is kept already teaches little.

Likeness is the Jaccard similarity of the sets of three-word runs. Candidates come from MinHash in bands
(Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3), kept in a file, so that
memory does not grow with the pool and time grows about linearly; each candidate is then compared exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill.assistant.contract import Filter, Sample, filters
from bridge_distill.assistant.likeness import Shelf, Shingles, jaccard, shingles
from bridge_distill.assistant.quality import quality
from bridge_distill.records import Question


@filters.register("near_duplicates")
class NearDuplicates(Filter):
    """Refuse what is at least ``max_alike`` like another sample, the best of a question's samples staying.

    Other questions' explanations count once they are kept, so nothing gives way to what is itself dropped.
    """

    rank = 70
    _shelf: Shelf | None = None

    def refuse(self, question: Question, samples: Sequence[Sample]) -> list[str | None]:
        """Two reasons: near duplicate of the same question's, and of another question's."""
        reasons: list[str | None] = [None] * len(samples)
        taken: list[Shingles] = []
        for place in sorted(range(len(samples)), key=lambda at: (-quality(samples[at]), at)):
            told = shingles(samples[place].text)
            if any(jaccard(told, other) >= self.settings.max_alike for other in taken):
                reasons[place] = "near duplicate of the same question's"
            elif self._open().holds(told, self.settings.max_alike):
                reasons[place] = "near duplicate of another question's"
            else:
                taken.append(told)
        return reasons

    def settle(self, kept: Sequence[Sample]) -> None:
        """Enter what is kept."""
        for sample in kept:
            self._open().add(shingles(sample.text))

    def close(self) -> None:
        """Delete the file of what was kept."""
        if self._shelf is not None:
            self._shelf.close()

    def _open(self) -> Shelf:
        if self._shelf is None:
            self._shelf = Shelf(self.scratch / "kept.sqlite")
        return self._shelf
