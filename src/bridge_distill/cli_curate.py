"""``bridge-distill curate``: cut a pool of traces to the few worth training on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

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


def curate_command(
    pool: Annotated[Path, typer.Option(metavar="FILE", help="Traces: .jsonl, .json, .csv or .parquet.")],
    budget: Budget,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Chosen traces, in order: .jsonl or .parquet.")],
    answer: Annotated[str, typer.Option(metavar="FORMS", help="Answer forms, such as number,choice,text.")] = "text",
    column: Columns = None,
    gate: Annotated[Many, typer.Option(metavar="NAME", help="Only these gates on the text, in this order.")] = None,
    unstated: Annotated[
        Literal["drop", "keep"], typer.Option(help="A trace that states no answer of its own.")
    ] = "drop",
    max_foreign: Annotated[
        float, typer.Option(min=0, max=1, help="Most letters of another script than the question's, as a share.")
    ] = 0.1,
    min_words: Annotated[int, typer.Option(min=0, help="Fewest words of a trace.")] = 10,
    max_words: Annotated[int | None, typer.Option(min=1, help="Most words of a trace.")] = None,
    max_repeated: Annotated[
        float, typer.Option(min=0, max=1, help="Most runs of eight words that stand there before, as a share.")
    ] = 0.3,
    model: Annotated[Many, typer.Option(metavar="BASE", help="Local model that attempts the questions.")] = None,
    easy: Annotated[Literal["any", "all"], typer.Option(help="Too easy is what any, or all, of them solve.")] = "any",
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an attempt.")] = 256,
    signals: Annotated[
        Path | None, typer.Option(metavar="FILE|RUN", help="Numbers by id: .parquet, .jsonl, or a run that scored.")
    ] = None,
    difficulty_by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which of the signals is the difficulty.")
    ] = None,
    embeddings: Embeddings = None,
    embedder: Annotated[
        str, typer.Option(help="words, assistant, model2vec:NAME or sentence-transformers:NAME.")
    ] = "words",
    base: Annotated[str, typer.Option(help="Base that the embedder 'assistant' reads with.")] = "smollm2-135m",
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
    from bridge_distill.curation.funnel import in_words
    from bridge_distill.curation.settings import GATES
    from bridge_distill.outfile import check_out
    from bridge_distill.table import SUFFIXES

    check_out(out, SUFFIXES, force, pool, "pool")
    figures = curation.curate(
        curation.Settings(
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
    )
    if as_json:
        typer.echo(json.dumps(figures, indent=2, ensure_ascii=False))
        return
    typer.echo(in_words(figures["funnel"]))
    short = figures["chosen"] < figures["asked"]
    fewer = f" ({figures['asked']} were asked for: no more passed the gates and quotas)" if short else ""
    typer.echo(f"{figures['chosen']} traces kept, domains: {len(figures['domains'])}; {out}{fewer}")
    typer.echo(f"map: {figures['files']['map']}; removed rows with reasons: {figures['files']['removed']}")
