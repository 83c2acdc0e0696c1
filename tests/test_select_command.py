"""``bridge-distill select`` on files: what it chooses is written with its reasons, what does not fit is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bridge_distill
from bridge_distill.cli import main

N = 60
ROWS = [
    {
        "id": f"q{row:02d}",
        "question": f"How many is {row}?",
        "answer": row if row % 2 else str(row),
        "difficulty": (row * 37 % N) / N,
        "domain": "odd" if row % 2 else "even",
        "length": row,
    }
    for row in range(N)
]
VECTORS = np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    np.save(tmp_path / "e.npy", VECTORS)
    return path


def command(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["bridge-distill", "select", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, 2)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_chosen_rows_are_written_best_first_as_they_were_with_their_reasons(
    pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = pool.with_name("out.jsonl")
    given = ("--pool", pool, "--embeddings", pool.with_name("e.npy"), "--out", out, "--set", "neighbours=8")
    command(monkeypatch, *given, "--method", "bridge", "--budget", "10%", "--json")
    assert json.loads(capsys.readouterr().out) == {"pool": N, "chosen": 6, "method": "bridge", "out": str(out)}
    rows = read(out)
    assert [row["selected_rank"] for row in rows] == list(range(6))
    assert all(row["selected_reason"] and row["selected_gain"] > 0 for row in rows)
    by_id = {row["id"]: row for row in ROWS}
    assert all({name: row[name] for name in by_id[row["id"]]} == by_id[row["id"]] for row in rows)
    difficulty = np.array([row["difficulty"] for row in ROWS])
    expected = bridge_distill.select(VECTORS, difficulty, 6, "bridge", options={"neighbours": 8})
    assert [row["id"] for row in rows] == [f"q{row:02d}" for row in expected]


def test_a_choice_goes_on_from_an_earlier_one(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("--pool", pool, "--embeddings", pool.with_name("e.npy"))
    whole, first, then = (pool.with_name(f"{name}.jsonl") for name in ("whole", "first", "then"))
    command(monkeypatch, *given, "--budget", 9, "--out", whole)
    command(monkeypatch, *given, "--budget", 4, "--out", first)
    command(monkeypatch, *given, "--budget", 5, "--out", then, "--taken", first)
    assert [row["id"] for row in read(first) + read(then)] == [row["id"] for row in read(whole)]


def test_rows_chosen_earlier_must_be_rows_of_the_pool(
    pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other, out = pool.with_name("other.jsonl"), pool.with_name("out.jsonl")
    other.write_text('{"id": "q07"}\n{"id": "q99"}\n')
    given = ("--pool", pool, "--method", "random", "--budget", 2, "--out", out, "--taken", other)
    command(monkeypatch, *given)
    assert f"--taken {other}: holds 'q99', which is no id of the pool; " in capsys.readouterr().err
    other.write_text('{"id": "q07"}\n{"question": "of no id"}\n')
    command(monkeypatch, *given)
    assert f"--taken {other}: row 1 has no id; give it one, or remove the row." in capsys.readouterr().err
    pool.write_text(pool.read_text().replace('"id"', '"name"'))
    command(monkeypatch, *given)
    assert (
        "names rows by id, and this pool has none; name their column with --column id=NAME." in capsys.readouterr().err
    )
    assert not out.exists()


def test_a_row_of_the_pool_without_an_id_is_refused(
    pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pool.write_text(pool.read_text().replace('"id": "q03", ', ""))
    command(monkeypatch, "--pool", pool, "--method", "random", "--budget", 2, "--out", pool.with_name("out.jsonl"))
    assert "--column id=id: row 3 has no id; give it one, or remove the row." in capsys.readouterr().err


def test_parquet_and_a_column_of_lists_choose_the_same(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [{**row, "answer": str(row["answer"]), "vector": VECTORS[at].tolist()} for at, row in enumerate(ROWS)]
    table, chosen = pool.with_name("pool.parquet"), []
    pq.write_table(pa.Table.from_pylist(plain), table)
    first, second = pool.with_name("a.jsonl"), pool.with_name("b.parquet")
    command(monkeypatch, "--pool", pool, "--embeddings", pool.with_name("e.npy"), "--out", first, "--budget", 7)
    command(monkeypatch, "--pool", table, "--embeddings", "vector", "--out", second, "--budget", 7)
    chosen = [row["id"] for row in pq.read_table(second).to_pylist()]
    assert chosen == [row["id"] for row in read(first)]


def test_from_parquet_to_parquet_every_column_keeps_its_type(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is empty in the chosen rows too; what is chosen from a choice has the reasons of the last one."""
    types = {"id": pa.string(), "length": pa.int32(), "vector": pa.list_(pa.float32()), "note": pa.string()}
    notes = ["late" if row == N - 1 else None for row in range(N)]
    held = {"id": [row["id"] for row in ROWS], "length": range(N), "vector": VECTORS.tolist(), "note": notes}
    table, out, again = (pool.with_name(f"{name}.parquet") for name in ("pool", "out", "again"))
    pq.write_table(pa.table(held, schema=pa.schema(types.items())), table)
    command(monkeypatch, "--pool", table, "--method", "random", "--budget", 9, "--out", out)
    found = pq.read_table(out)
    assert found.column("note").null_count == 9
    assert found.schema.names == [*types, "selected_rank", "selected_gain", "selected_reason"]
    assert {name: found.schema.field(name).type for name in types} == types
    command(monkeypatch, "--pool", out, "--method", "random", "--budget", 4, "--out", again, "--seed", 3)
    assert pq.read_table(again).schema == found.schema
    assert pq.read_table(again).column("selected_rank").to_pylist() == [0, 1, 2, 3]


def test_what_is_no_number_is_null_in_jsonl(
    pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Most readers of JSON refuse a line with the word NaN; an infinity is not taken for nothing."""
    table, out = pool.with_name("pool.parquet"), pool.with_name("out.jsonl")
    loss, nan = [1.5, float("nan"), 2.5], float("nan")
    pq.write_table(pa.table({"loss": loss, "pair": [[0.5, nan]] * 3}), table)
    command(monkeypatch, "--pool", table, "--method", "random", "--budget", 3, "--out", out)
    assert "NaN" not in out.read_text()
    assert sorted((row["loss"] for row in read(out)), key=str) == [1.5, 2.5, None]
    assert [row["pair"] for row in read(out)] == [[0.5, None]] * 3
    pq.write_table(pa.table({"loss": [1.5, float("inf")]}), table)
    command(monkeypatch, "--pool", table, "--method", "random", "--budget", 2, "--out", out, "--force")
    assert "--out: JSON has no word for inf, which a row holds; end its name with .parquet." in capsys.readouterr().err


def test_columns_of_numbers_are_signals_that_options_can_name(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = pool.with_name("out.jsonl")
    command(
        monkeypatch, "--pool", pool, "--method", "reason1k", "--budget", 8, "--out", out,
        "--set", "gates.length.at_most=30", "--set", "by=length",
    )  # fmt: skip
    rows = read(out)
    assert all(row["length"] <= 30 for row in rows)
    assert {row["domain"] for row in rows} == {"odd", "even"}


def test_methods_that_need_no_embeddings_run_without(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for method in ("random", "stratified", "entropy"):
        out = pool.with_name(f"{method}.jsonl")
        command(monkeypatch, "--pool", pool, "--method", method, "--budget", 5, "--out", out, "--seed", 4)
        assert len(read(out)) == 5


def test_a_target_set_is_given_as_embeddings(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, target = pool.with_name("out.jsonl"), pool.with_name("t.npy")
    np.save(target, VECTORS[[17]])
    command(
        monkeypatch, "--pool", pool, "--method", "rds", "--embeddings", pool.with_name("e.npy"), "--target", target,
        "--budget", 2, "--out", out,
    )  # fmt: skip
    assert read(out)[0]["id"] == "q17"


BAD: list[tuple[list[str], str]] = [
    (
        ["--method", "bridge"],
        "select.method: bridge needs embeddings, which this pool has not; give one vector a question.",
    ),
    (["--embeddings", "vec"], "--embeddings vec: 'vec' is no column of the file; known: answer, difficulty"),
    (["--embeddings", "length"], "--embeddings length: does not hold lists of numbers of one length"),
    (["--embeddings", "none.npy"], "--embeddings none.npy: cannot be read (No such file or directory)"),
    (["--method", "rand"], "select.method: unknown selection method 'rand'; did you mean 'random'?"),
    (["--method", "random", "--set", "x=2024-02-30"], "--set x=2024-02-30: '2024-02-30' is not a YAML value; quote it"),
    (["--method", "random", "--set", "x=1"], "select.options.x: is no option of random; it takes none"),
    (["--set", "neighbours"], "--set neighbours: has no value; write such as --set name=value."),
    (
        ["--method", "bridge", "--set", "neighbours=-1"],
        "select.options.neighbours: input should be greater than 0 (got -1)",
    ),
    (["--method", "random", "--budget", "0"], "--budget 0: is no budget; give a whole count above 0"),
    (["--method", "random", "--budget", "110%"], "--budget 110%: is no budget"),
    (["--method", "random", "--budget", "2.5"], "--budget 2.5: is no budget"),
    (["--method", "random", "--budget", "nan"], "--budget nan: is no budget"),
    (["--method", "random", "--out", "x.txt"], "--out x.txt: has no known suffix"),
    (["--method", "random", "--out", "nowhere/x.jsonl"], "--out nowhere/x.jsonl: nowhere is no folder"),
    (["--method", "random", "--out", "POOL"], "--out POOL: is the pool itself"),
    (
        ["--method", "entropy", "--column", "difficulty=question"],
        "--column difficulty=question: holds what is no number",
    ),
    (["--method", "entropy", "--column", "difficulty=length"], "difficulty: is outside 0..1; scale it"),
    (["--method", "random", "--column", "name=domain"], "--column name=domain: 'name' is no field of a row; known"),
    (["--method", "random", "--column", "id=domain"], "ids: are not distinct"),
    (["--method", "random", "--pool", "no.jsonl"], "--pool: cannot read no.jsonl (No such file or directory)"),
    (["--method", "random", "--pool", "no.txt"], "--pool: 'no.txt' has no known file type"),
    (["--method", "random", "--taken", "no.jsonl"], "--taken: cannot read no.jsonl (No such file or directory)"),
    (["--method", "random", "--out", "OUT.parquet"], "--out: Parquet cannot hold column answer"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD, ids=[sentence[:50] for _, sentence in BAD])
def test_what_does_not_fit_is_said_in_one_sentence_and_nothing_is_written(
    pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(pool.parent)
    known = {"POOL": str(pool), "OUT.parquet": str(pool.with_name("out.parquet"))}
    usual = {"--pool": str(pool), "--budget": "5", "--out": str(pool.with_name("out.jsonl"))}
    options = {**usual, **{words[at]: known.get(words[at + 1], words[at + 1]) for at in range(0, len(words), 2)}}
    command(monkeypatch, *[word for pair in options.items() for word in pair])
    said = capsys.readouterr().err
    assert said.startswith(f"bridge-distill: {sentence.replace('POOL', str(pool))}")
    assert said.count("\n") == 1
    assert {path.name for path in pool.parent.iterdir()} == {"pool.jsonl", "e.npy"}


def test_a_column_that_some_rows_lack_is_refused_where_a_method_uses_it(
    pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pool.write_text("".join(json.dumps({**row, "gold": None if at < 7 else 1.5}) + "\n" for at, row in enumerate(ROWS)))
    out = pool.with_name("out.jsonl")
    command(monkeypatch, "--pool", pool, "--method", "entropy", "--budget", 5, "--out", out, "--set", "by=gold")
    assert "select.options.by: 7 of 60 questions lack the signal 'gold'; name a signal" in capsys.readouterr().err
    command(monkeypatch, "--pool", pool, "--method", "entropy", "--budget", 5, "--out", out)
    assert len(read(out)) == 5


def test_a_file_is_replaced_only_when_asked_to(
    pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = pool.with_name("out.jsonl")
    out.write_text("mine")
    given = ("--pool", pool, "--method", "random", "--budget", 5, "--out", out)
    command(monkeypatch, *given)
    assert "is there already; give another name, or add --force" in capsys.readouterr().err
    assert out.read_text() == "mine"
    command(monkeypatch, *given, "--force")
    assert len(read(out)) == 5


@pytest.mark.parametrize(
    ("line", "sentence"), [("{", "pool.jsonl:2: is not JSON"), ("[1]", "pool.jsonl:2: is not a JSON object")]
)
def test_a_bad_line_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, sentence: str
) -> None:
    pool = tmp_path / "pool.jsonl"
    pool.write_text(f'{{"id": 1}}\n{line}\n')
    command(monkeypatch, "--pool", pool, "--method", "random", "--budget", 1, "--out", tmp_path / "o.jsonl")
    assert sentence in capsys.readouterr().err


def test_selection_alone_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, numpy, bridge_distill; bridge_distill.select(numpy.eye(9, dtype='f4'), None, 3);"
        "print({'torch', 'transformers', 'datasets'} & set(sys.modules))"
    )
    environment = {"PYTHONPATH": str(Path(bridge_distill.__file__).parent.parent), "PATH": ""}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert said.stdout.strip() == "set()"
