"""The command that cuts a pool of traces to the few worth training on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from bridge_distill.errors import UserError

Many = list[str] | None


def curate_command(
    pool: Annotated[Path, typer.Option(metavar="FILE", help="Traces: .jsonl, .json, .csv or .parquet.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="File to write: .jsonl or .parquet.")],
    number: Annotated[int, typer.Option(min=1, metavar="N", help="How many traces to keep.")],
    answer: Annotated[str, typer.Option(metavar="FORMS", help="Answer forms, such as number,choice,text.")] = "text",
    column: Annotated[Many, typer.Option(metavar="FIELD=NAME", help="Column of a field: rationale=thinking.")] = None,
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
    embedder: Annotated[
        str, typer.Option(help="words, assistant, model2vec:NAME or sentence-transformers:NAME.")
    ] = "words",
    base: Annotated[str, typer.Option(help="Base that the embedder 'assistant' reads with.")] = "smollm2-135m",
    clusters: Annotated[int, typer.Option(min=1, help="Clusters of questions to spread over.")] = 50,
    quota: Annotated[Many, typer.Option(metavar="DOMAIN=N", help="Most traces of a domain: law=200, law=10%.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws and the clusters.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
) -> None:
    """Cut a pool of traces to the few worth training on: gates, then difficulty and diversity. Pays nothing."""
    from bridge_distill.curation import Settings, curate
    from bridge_distill.curation.funnel import in_words
    from bridge_distill.curation.settings import GATES
    from bridge_distill.teacher.outfile import check_out

    if out.resolve() == pool.resolve():
        raise UserError(f"--out {out}", "is the pool itself", "give another name")
    check_out(out, (".jsonl", ".parquet"), force, pool)
    settings = Settings(
        pool=pool,
        out=out,
        number=number,
        answer=answer.split(","),
        columns=_pairs("--column", column),
        gates=gate or GATES,
        max_foreign=max_foreign,
        unstated=unstated,
        min_words=min_words,
        max_words=max_words,
        max_repeated=max_repeated,
        models=model or (),
        easy=easy,
        max_new_tokens=max_new_tokens,
        embedder=embedder,
        base=base,
        clusters=clusters,
        quotas=_pairs("--quota", quota),
        seed=seed,
    )
    figures = curate(settings)
    if as_json:
        typer.echo(json.dumps(figures, indent=2, ensure_ascii=False))
        return
    typer.echo(in_words(figures["funnel"]))
    short = (
        "" if figures["chosen"] == number else f" (only as many passed the gates and quotas, {number} were asked for)"
    )
    typer.echo(f"{figures['chosen']} traces kept, domains: {len(figures['domains'])}; {out}{short}")
    typer.echo(f"map: {figures['files']['map']}; removed rows with reasons: {figures['files']['removed']}")


def _pairs(option: str, given: Many) -> dict[str, str]:
    found = {}
    for text in given or []:
        name, sign, value = text.partition("=")
        if not sign or not name.strip() or not value.strip():
            raise UserError(f"{option} {text}", "is no pair", f"write such as {option} name=value")
        found[name.strip()] = value.strip()
    return found
