"""What a curation leaves: the set, the removed rows, the funnel, and a map of what was covered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bridge_distill import __version__
from bridge_distill.curation.choose import Kept
from bridge_distill.curation.funnel import Funnel
from bridge_distill.curation.settings import FUNNEL, MAP, REMOVED, Settings
from bridge_distill.data.split import ranked
from bridge_distill.engine.stage import write_json
from bridge_distill.records import Choice, Score
from bridge_distill.report.coverage import Pool, plane
from bridge_distill.report.map import write_map
from bridge_distill.report.reach import reach
from bridge_distill.table import GAIN, RANK, REASON, write_table


def write_output(settings: Settings, kept: Kept, funnel: Funnel) -> dict[str, Any]:
    """Write all files; the curated set comes last, so that where it is, the others are."""
    table = funnel.table()
    figures: dict[str, Any] = {
        "chosen": len(kept.picks),
        "asked": kept.asked,
        "domains": ranked(Counter(kept.domain(pick.index) for pick in kept.picks)),
        "funnel": table,
        "files": {
            "curated": str(settings.out),
            "removed": str(settings.beside(REMOVED)),
            "map": str(settings.beside(MAP)),
        },
    }
    funnel.write_removed(settings.beside(REMOVED))
    asked = {name: _plain(value) for name, value in asdict(settings).items()}
    write_json(settings.beside(FUNNEL), {**figures, "settings": asked, "version": __version__})
    title = f"{settings.out.stem}: what was kept of {settings.pool.name}"
    write_map(settings.beside(MAP), title, _pool(kept), table, figures["domains"])
    write_table(settings.out, [*_rows(kept)])
    return figures


def _rows(kept: Kept) -> Iterator[dict[str, Any]]:
    """The curated traces in the order in which they were chosen, as rows that a run file's ``data`` reads."""
    for rank, pick in enumerate(kept.picks):
        trace, question = kept.traces[pick.index], kept.traces[pick.index].question
        yield {
            "id": question.id,
            "question": question.text,
            "choices": question.choices,
            "answer": question.answer,
            "limits": None if question.low is None else [question.low, question.high],
            "rationale": trace.rationale,
            "expert_answer": question.recorded_answer,
            "domain": kept.domain(pick.index),
            "difficulty": round(float(kept.difficulty[pick.index]), 6),
            "line": trace.line,
            RANK: rank,
            GAIN: pick.gain,
            REASON: pick.reason,
        }


def _pool(kept: Kept) -> Pool:
    """The traces as the report's map reads them."""
    ranks = {pick.index: (rank, pick) for rank, pick in enumerate(kept.picks)}
    questions = [trace.question for trace in kept.traces]
    scores = [Score(question.id, float(hard)) for question, hard in zip(questions, kept.difficulty, strict=True)]
    choices = [Choice(question.id, False, None, None, kept.left.get(row, "")) for row, question in enumerate(questions)]
    for row, (rank, pick) in ranks.items():
        choices[row] = Choice(questions[row].id, True, rank, pick.gain, pick.reason)
    order = np.array([pick.index for pick in kept.picks], dtype=np.int64)
    return Pool(questions, scores, choices, plane(kept.vectors), reach(kept.vectors, order))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
