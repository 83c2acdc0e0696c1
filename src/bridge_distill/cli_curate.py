"""``bridge-distill curate``: cut a pool of traces to the few worth training on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bridge_distill.cli_options import (
    AsJson,
    Budget,
    Columns,
    Embeddings,
    Force,
    Many,
    Seed,
    Settings,
    Threads,
    read_pairs,
    read_settings,
)

Pool = Annotated[Path, typer.Option(metavar="FILE", help="Traces: .jsonl, .json, .csv or .parquet.")]
Out = Annotated[Path, typer.Option(metavar="FILE", help="Chosen traces, in order: .jsonl or .parquet.")]
Forms = Annotated[str, typer.Option(metavar="FORMS", help="Answer forms, such as number,choice,text.")]
Gates = Annotated[Many, typer.Option(metavar="NAME", help="Only these gates on the text, in this order.")]
Unstated = Annotated[Literal["drop", "keep"], typer.Option(help="A trace that states no answer of its own.")]
Foreign = Annotated[
    float, typer.Option(min=0, max=1, help="Most letters of another script than the question's, as a share.")
]
Fewest = Annotated[int, typer.Option(min=0, help="Fewest words of a trace.")]
Most = Annotated[int | None, typer.Option(min=1, help="Most words of a trace.")]
Repeated = Annotated[
    float, typer.Option(min=0, max=1, help="Most runs of eight words that stand there before, as a share.")
]
Models = Annotated[Many, typer.Option(metavar="BASE", help="Local model that attempts the questions.")]
Easy = Annotated[Literal["any", "all"], typer.Option(help="Too easy is what any, or all, of them solve.")]
Tokens = Annotated[int, typer.Option(min=1, help="Most tokens of an attempt.")]
Signals = Annotated[
    Path | None, typer.Option(metavar="FILE|RUN", help="Numbers by id: .parquet, .jsonl, or a run that scored.")
]
DifficultyBy = Annotated[str | None, typer.Option(metavar="NAME", help="Which of the signals is the difficulty.")]
Embedder = Annotated[str, typer.Option(help="words, assistant, model2vec:NAME or sentence-transformers:NAME.")]
Base = Annotated[str, typer.Option(help="Base that the embedder 'assistant' reads with.")]


def curate_command(
    pool: Pool,
    budget: Budget,
    out: Out,
    answer: Forms = "text",
    column: Columns = None,
    gate: Gates = None,
    unstated: Unstated = "drop",
    max_foreign: Foreign = 0.1,
    min_words: Fewest = 10,
    max_words: Most = None,
    max_repeated: Repeated = 0.3,
    model: Models = None,
    easy: Easy = "any",
    max_new_tokens: Tokens = 256,
    signals: Signals = None,
    difficulty_by: DifficultyBy = None,
    embeddings: Embeddings = None,
    embedder: Embedder = "words",
    base: Base = "smollm2-135m",
    set_: Settings = None,
    seed: Seed = 0,
    threads: Threads = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Cut a pool of traces to the few worth training on: gates, then the selector reason1k. Pays nothing.

    --set is for the options of reason1k, such as quotas.law=10%.
    """
    from bridge_distill import curation
    from bridge_distill.curation.settings import GATES
    from bridge_distill.outfile import check_out
    from bridge_distill.table import SUFFIXES

    settings = curation.Settings(
        pool=pool,
        out=out,
        budget=budget,
        answer=answer.split(","),
        columns=read_pairs("--column", column),
        gates=gate or GATES,
        max_foreign=max_foreign,
        unstated=unstated,
        min_words=min_words,
        max_words=max_words,
        max_repeated=max_repeated,
        models=model or (),
        easy=easy,
        max_new_tokens=max_new_tokens,
        signals=signals,
        difficulty_by=difficulty_by,
        embeddings=embeddings,
        embedder=embedder,
        base=base,
        options=read_settings(set_),
        seed=seed,
        threads=threads,
    )
    check_out(out, SUFFIXES, force, pool, "pool", settings.written_beside)
    figures = curation.curate(settings)
    typer.echo(json.dumps(figures, indent=2, ensure_ascii=False) if as_json else _in_words(figures, out))


def _in_words(figures: dict[str, Any], out: Path) -> str:
    from bridge_distill.curation.funnel import in_words

    short = figures["chosen"] < figures["asked"]
    fewer = f" ({figures['asked']} were asked for: no more passed the gates and quotas)" if short else ""
    return "\n".join(
        [
            in_words(figures["funnel"]),
            f"{figures['chosen']} traces kept, domains: {len(figures['domains'])}; {out}{fewer}",
            f"map: {figures['files']['map']}; removed rows with reasons: {figures['files']['removed']}",
        ]
    )
