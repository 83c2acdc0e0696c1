"""What a curation leaves: the set, the removed rows, the funnel, and a map of what was covered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill import __version__
from bridge_distill.curation.contract import Trace
from bridge_distill.curation.funnel import Funnel
from bridge_distill.curation.pick import Draw
from bridge_distill.curation.settings import Settings
from bridge_distill.data.split import ranked
from bridge_distill.engine.stage import write_json
from bridge_distill.records import Choice, Score
from bridge_distill.report.coverage import Pool, plane
from bridge_distill.report.map import write_map
from bridge_distill.report.reach import reach
from bridge_distill.teacher.outfile import new_file


@dataclass(frozen=True)
class Kept:
    """The traces that passed every gate, what is known of each (lists of one length), and those drawn."""

    traces: Sequence[Trace]
    domains: Sequence[str]
    clusters: NDArray[np.int64]
    difficulty: NDArray[np.float64]
    draws: Sequence[Draw]
    vectors: NDArray[np.float32]


def write_output(settings: Settings, kept: Kept, funnel: Funnel) -> dict[str, Any]:
    """Write all files; the curated set comes last, so that where it is, the others are."""
    table = funnel.table()
    figures: dict[str, Any] = {
        "chosen": len(kept.draws),
        "asked": settings.number,
        "domains": ranked(Counter(kept.domains[draw.index] for draw in kept.draws)),
        "funnel": table,
        "files": {
            "curated": str(settings.out),
            "removed": str(settings.beside("removed.jsonl")),
            "map": str(settings.beside("html")),
        },
    }
    funnel.write_removed(settings.beside("removed.jsonl"))
    asked = {name: _plain(value) for name, value in asdict(settings).items()}
    write_json(settings.beside("funnel.json"), {**figures, "settings": asked, "version": __version__})
    title = f"{settings.out.stem}: what was kept of {settings.pool.name}"
    write_map(settings.beside("html"), title, _pool(kept), table, figures["domains"])
    _write_rows(settings.out, [*_rows(kept)])
    return figures


def _rows(kept: Kept) -> Iterator[dict[str, Any]]:
    """The curated traces in the order in which they were drawn, as rows that a run file's ``data`` reads."""
    for rank, draw in enumerate(kept.draws):
        trace, question = kept.traces[draw.index], kept.traces[draw.index].question
        place = f"{draw.place + 1} of {draw.left} by difficulty"
        yield {
            "id": question.id,
            "question": question.text,
            "choices": question.choices,
            "answer": question.answer,
            "limits": None if question.low is None else [question.low, question.high],
            "rationale": trace.rationale,
            "expert_answer": question.recorded_answer,
            "domain": kept.domains[draw.index],
            "cluster": int(kept.clusters[draw.index]),
            "difficulty": round(float(kept.difficulty[draw.index]), 6),
            "rank": rank,
            "line": trace.line,
            "reason": f"{kept.domains[draw.index]}, cluster {kept.clusters[draw.index]}: {place}",
        }


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        partial = path.with_name(path.name + ".partial")
        pq.write_table(pa.Table.from_pylist(rows), partial)
        partial.replace(path)
        return
    with new_file(path) as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _pool(kept: Kept) -> Pool:
    """The traces as the report's map reads them."""
    ranks = {draw.index: rank for rank, draw in enumerate(kept.draws)}
    questions = [trace.question for trace in kept.traces]
    scores = [Score(question.id, float(hard)) for question, hard in zip(questions, kept.difficulty, strict=True)]
    choices = [
        Choice(question.id, row in ranks, ranks.get(row), None, kept.domains[row])
        for row, question in enumerate(questions)
    ]
    order = np.array([draw.index for draw in kept.draws], dtype=np.int64)
    return Pool(questions, scores, choices, plane(kept.vectors), reach(kept.vectors, order))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
