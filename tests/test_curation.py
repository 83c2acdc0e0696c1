"""Gates say why, the pick is difficulty then diversity, and every row of the pool is accounted for."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_distill import practice, prompts
from bridge_distill.cli import main
from bridge_distill.curation import Settings, curate
from bridge_distill.curation.contract import Trace, gates
from bridge_distill.curation.failure import solved
from bridge_distill.curation.gates.repetition import repeated_share
from bridge_distill.curation.vectors import embedded, lexical
from bridge_distill.data import read_questions
from bridge_distill.errors import UserError
from bridge_distill.models.engines.transformers import Transformers
from bridge_distill.records import Question
from bridge_distill.selection.measure import Embedder, embedders

STEPS = "The average is the sum over the number of years, which is what the table gives for this company."
SPANISH = "La suma de los valores es la que se divide por el número de años, y entonces el resultado es para los dos."


def trace(rationale: str, question: str = "What is the average of the three years?", **known: Any) -> Trace:
    return Trace(1, 0, Question("q", question, "number", **{"answer": "12", **known}), rationale)


def settings(folder: Path, **changed: Any) -> Settings:
    given = {
        "pool": folder / "pool.jsonl",
        "out": folder / "curated.jsonl",
        "budget": 10,
        "answer": ["number", "yes_no"],
    }
    return Settings(**{**given, **changed})


@pytest.mark.parametrize(
    ("gate", "found", "reason"),
    [
        ("format", trace(f"{STEPS} Answer: 12"), None),
        ("format", trace("  "), "no rationale"),
        ("format", trace(f"{STEPS} \ufffd"), "broken characters"),
        ("format", trace(f"{STEPS} ![a chart](chart.png)"), "refers to a picture"),
        ("format", trace(STEPS, question="What does \\includegraphics{a} show?"), "refers to a picture"),
        ("format", trace(f"```python\n{STEPS}"), "a block that is not closed"),
        ("format", trace(f"<think>{STEPS}"), "a block that is not closed"),
        ("format", trace(f"{STEPS} So the"), "cut off"),
        ("format", trace(f"{STEPS} That is 3 +"), "cut off"),
        ("format", trace(f"{STEPS} So it is A"), None),
        ("format", trace(f"{STEPS}\nAnswer: a"), None),
        ("language", trace(STEPS), None),
        ("language", trace("平均は合計を年数で割ったものです。"), "another script"),
        ("language", trace("平均は合計", question="平均は何ですか。"), None),
        ("language", trace(f"{STEPS} Let α be π/2."), None),
        ("language", trace(SPANISH, question=STEPS), "another language"),
        ("language", trace(STEPS, question=SPANISH), "another language"),
        ("answer", trace(f"{STEPS} Answer: 12"), None),
        ("answer", trace(f"{STEPS} Answer: 13"), "disagrees with gold"),
        ("answer", trace(f"{STEPS} So \\boxed{{12}}."), None),
        ("answer", trace(f"{STEPS} So $\\boxed{{\\frac{{1}}{{2}}}}$."), "states no answer"),
        ("answer", trace(f"{STEPS}\n#### 12"), None),
        ("answer", trace(f"{STEPS}\n#### 11"), "disagrees with gold"),
        ("answer", trace(f"{STEPS} Therefore the answer is 12."), None),
        ("answer", trace(f"{STEPS} Answer: 12. No: the final answer is 12.\nAnswer: 99"), "disagrees with gold"),
        ("answer", trace(STEPS), "states no answer"),
        ("answer", trace(STEPS, recorded_answer="15"), "disagrees with gold"),
        ("answer", trace(STEPS, answer=None), None),
        ("length", trace(STEPS), None),
        ("length", trace("Too few words."), "too short"),
        ("length", trace("word " * 41), "too long"),
        ("repetition", trace(STEPS), None),
        ("repetition", trace(f"{STEPS} " * 5), "repeats itself"),
    ],
)
def test_each_gate_says_why(tmp_path: Path, gate: str, found: Trace, reason: str | None) -> None:
    assert gates.get(gate, "g")(found, settings(tmp_path, max_words=40)) == reason


@pytest.mark.parametrize("name", gates.names())
@given(text=st.text(), question=st.text())
def test_no_gate_stumbles_over_any_text(name: str, text: str, question: str) -> None:
    reason = gates.get(name, "g")(trace(text, question=question), Settings(Path("a"), Path("b"), 1))
    assert reason is None or reason


def test_the_share_of_repeated_runs_counts_what_stood_there_before() -> None:
    once = [f"w{i}" for i in range(20)]
    assert repeated_share(" ".join(once)) == 0
    assert repeated_share("a b c") == 0
    assert repeated_share(" ".join(once * 2)) == pytest.approx(13 / 33)
    assert repeated_share("again " * 100) == pytest.approx(92 / 93)


def test_words_alone_tell_topics_apart() -> None:
    texts = [prompts.body(q) for task in ("legal", "financial", "medical") for q in practice.make(task, 20, 1, 0.3)]
    vectors = lexical(texts, 0)
    near = (vectors @ vectors.T - 2 * np.eye(60)).argmax(1)
    assert np.mean(near // 20 == np.arange(60) // 20) > 0.95
    np.testing.assert_array_equal(vectors, lexical(texts, 0))
    assert lexical(["one"], 0).shape[0] == 1
    assert lexical(["", "two words", "two"], 0).shape[0] == 3


def rows_of(count: int) -> list[dict[str, Any]]:
    """Good traces of two tasks, and one of each fault."""
    made = []
    for task in ("legal", "financial"):
        for index, question in enumerate(practice.make(task, count // 2, 4, 0.2)):
            text = practice.explain(question, phrasing=index % 2, error=False)
            row = {"id": question.id, "question": question.text, "rationale": text, "answer": question.answer}
            made.append({**row, "domain": task})
    faulty = {"wrong": practice.explain(practice.make("financial", 1, 9, 0.2)[0], phrasing=0, error=True)}
    faulty |= {"empty": "", "twice": made[0]["rationale"]}
    gold = practice.make("financial", 1, 9, 0.2)[0]
    for name, text in faulty.items():
        asked = made[0]["question"] if name == "twice" else f"{gold.text} ({name})" if name != "wrong" else gold.text
        made.append({"id": name, "question": asked, "rationale": text, "answer": gold.answer, "domain": "financial"})
    made[-1]["answer"] = made[0]["answer"]
    return [*made, {"id": "none", "rationale": "x"}]


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(60)))
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_row_is_chosen_or_removed_with_its_reason(pool: Path, tmp_path: Path) -> None:
    figures = curate(settings(tmp_path, budget=12, options={"clusters": 4}))
    chosen, removed = read_lines(tmp_path / "curated.jsonl"), read_lines(tmp_path / "curated.removed.jsonl")
    assert sorted(row["line"] for row in chosen + removed) == list(range(1, 65))
    reasons = {row["id"]: (row["gate"], row["reason"]) for row in removed}
    assert reasons["wrong"] == ("answer", "disagrees with gold")
    assert reasons["empty"] == ("format", "no rationale")
    assert reasons["none"] == ("read", "no question")
    assert [row["selected_rank"] for row in chosen] == list(range(12))
    assert all(row["selected_reason"].startswith(f"{row['domain']}, cluster ") for row in chosen)
    table = {row["gate"]: row for row in figures["funnel"]}
    assert table["duplicates"]["removed"] == 1
    assert table["read"]["in"] == 64
    for before, after in zip(figures["funnel"], figures["funnel"][1:], strict=False):
        assert before["out"] == after["in"]
    assert table["pick"]["out"] == 12 == figures["chosen"]
    assert json.loads((tmp_path / "curated.funnel.json").read_text())["funnel"] == figures["funnel"]
    assert not (tmp_path / "curated.work").exists()


def test_the_curated_set_is_a_source_for_a_run(pool: Path, tmp_path: Path) -> None:
    curate(settings(tmp_path, budget=12))
    questions = read_questions(str(tmp_path / "curated.jsonl"), ["number", "yes_no"])
    assert len(questions) == 12
    assert all(question.recorded_rationale and question.answer and question.domain for question in questions)


def test_the_order_of_the_file_decides_nothing(pool: Path, tmp_path: Path) -> None:
    curate(settings(tmp_path, out=tmp_path / "a.jsonl"))
    lines = pool.read_text().splitlines(keepends=True)
    random.Random(3).shuffle(lines)
    pool.write_text("".join(lines))
    curate(settings(tmp_path, out=tmp_path / "b.parquet"))
    found = pq.read_table(tmp_path / "b.parquet").to_pylist()
    assert [row["id"] for row in found] == [row["id"] for row in read_lines(tmp_path / "a.jsonl")]


def test_quotas_hold_and_say_so(pool: Path, tmp_path: Path) -> None:
    figures = curate(settings(tmp_path, budget=20, options={"quotas": {"legal": "30%"}}))
    assert figures["domains"] == {"financial": 14, "legal": 6}
    removed = read_lines(tmp_path / "curated.removed.jsonl")
    reasons = Counter((row["id"].split("-")[0], row["reason"]) for row in removed if row["gate"] == "pick")
    assert reasons == {("legal", "not drawn"): 24, ("financial", "not drawn"): 16}


def test_without_domains_clusters_take_their_place(pool: Path, tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "domain"} for row in read_lines(pool)]
    pool.write_text("".join(json.dumps(row) + "\n" for row in rows))
    figures = curate(settings(tmp_path, budget=16, options={"clusters": 4, "hardest": 1}))
    assert set(figures["domains"]) == {f"cluster {number}" for number in range(4)}
    tasks = {(row["domain"], row["id"].split("-")[0]) for row in read_lines(tmp_path / "curated.jsonl")}
    assert len(tasks) == 4, "no cluster mixes the two tasks"


def test_quotas_that_leave_too_little_end_the_choice_and_say_so(pool: Path, tmp_path: Path) -> None:
    figures = curate(settings(tmp_path, budget="50%", options={"quotas": {"legal": "30%", "financial": 5}}))
    assert (figures["chosen"], figures["asked"]) == (8, 32)
    assert figures["domains"] == {"financial": 5, "legal": 3}
    removed = read_lines(tmp_path / "curated.removed.jsonl")
    assert Counter(row["reason"] for row in removed if row["gate"] == "pick") == {"quota of its domain is full": 52}


def known_of(pool: Path) -> list[dict[str, Any]]:
    return [{"id": row["id"], "hard": row["line"], "half": row["line"] % 2 or None} for row in numbered(pool)]


def numbered(pool: Path) -> list[dict[str, Any]]:
    return [{**row, "line": line} for line, row in enumerate(read_lines(pool), start=1) if "id" in row]


def test_signals_that_exist_are_the_difficulty_by_id(pool: Path, tmp_path: Path) -> None:
    known = known_of(pool)
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in reversed(known)))
    given = {"signals": tmp_path / "s.jsonl", "difficulty_by": "hard"}
    curate(settings(tmp_path, **given, options={"hardest": 0.5}))
    chosen = read_lines(tmp_path / "curated.jsonl")
    assert min(row["line"] for row in chosen) > 30, "the hardest half of 60 stands in the second half of the file"
    assert [row["difficulty"] for row in chosen] == pytest.approx(
        [(row["line"] - 0.5) / 60 for row in chosen], abs=0.02
    )
    with pytest.raises(UserError, match=r"select\.options\.by: 30 of 60 questions lack the signal 'half'"):
        curate(settings(tmp_path, **given, options={"by": "half"}))
    with pytest.raises(UserError, match=r"--difficulty-by hart: the pool has no signal 'hart'; did you mean 'hard'"):
        curate(settings(tmp_path, signals=tmp_path / "s.jsonl", difficulty_by="hart"))


def test_the_scores_of_a_run_are_signals(pool: Path, tmp_path: Path) -> None:
    ids = [row["id"] for row in known_of(pool)]
    run, score = tmp_path / "run", tmp_path / "run/score"
    score.mkdir(parents=True)
    hard = np.linspace(0, 1, len(ids))
    pq.write_table(pa.table({"question_id": ids, "difficulty": hard, "ifd": hard}), score / "scores.parquet")
    (score / "record.json").write_text("{}")
    (run / "run.json").write_text(json.dumps({"stages": {"score": "score"}}))
    for number, source in enumerate((run, score, score / "scores.parquet")):
        out = tmp_path / f"{number}.jsonl"
        figures = curate(
            settings(tmp_path, signals=source, out=out, budget=30, options={"gates": {"ifd": {"at_least": 0.7}}})
        )
        assert 0 < figures["chosen"] < 30, "what the selector's gates refuse does not follow here"
        assert figures["funnel"][-1]["reasons"]["fails the gate ifd at least 0.7"] > 40
        assert min(row["line"] for row in read_lines(out)) > 40
        assert read_lines(out) == read_lines(tmp_path / "0.jsonl")
    (score / "record.json").unlink()
    (score / "scores.parquet").rename(score / "other.parquet")
    with pytest.raises(UserError, match=r"--signals .*run: is a run whose pool is not scored; run it with"):
        curate(settings(tmp_path, signals=run))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"name": 1}], r"--signals .*: has no column question_id or id"),
        ([{"id": 1}, {"id": "1"}], r"--signals .*: names an id twice in the column id"),
        ([{"id": "other", "hard": 1}], r"--signals .*: knows none of the traces that are left by id"),
    ],
)
def test_signals_that_do_not_fit_are_refused(
    pool: Path, tmp_path: Path, rows: list[dict[str, Any]], problem: str
) -> None:
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=problem):
        curate(settings(tmp_path, signals=tmp_path / "s.jsonl"))


def test_vectors_that_exist_are_used_by_row_or_by_column(pool: Path, tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "domain"} for row in read_lines(pool)]
    vectors = np.eye(4, dtype=np.float32)[np.arange(len(rows)) % 4]
    np.save(tmp_path / "e.npy", vectors)
    pool.write_text("".join(json.dumps({**row, "v": vectors[at].tolist()}) + "\n" for at, row in enumerate(rows)))
    for source, out in ((str(tmp_path / "e.npy"), "a.jsonl"), ("v", "b.jsonl")):
        curate(settings(tmp_path, embeddings=source, out=tmp_path / out, options={"clusters": 4}))
    chosen = read_lines(tmp_path / "a.jsonl")
    assert chosen == read_lines(tmp_path / "b.jsonl")
    assert len({(row["domain"], (row["line"] - 1) % 4) for row in chosen}) == 4
    np.save(tmp_path / "e.npy", vectors[1:])
    with pytest.raises(UserError, match=r"--embeddings .*e\.npy: has shape \(63, 4\) for 64 rows of the pool"):
        curate(settings(tmp_path, embeddings=str(tmp_path / "e.npy")))


def test_models_remove_what_they_solve_and_are_asked_once(
    pool: Path, tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real: Callable[..., Any] = Transformers.write

    def counting(generator: Any, prompts: Any, *rest: Any) -> Any:
        asked.append(len(prompts))
        return real(generator, prompts, *rest)

    monkeypatch.setattr(Transformers, "write", counting)
    given = {"models": [str(tiny_base)], "max_new_tokens": 60}
    figures = curate(settings(tmp_path, **given))
    step = next(row for row in figures["funnel"] if row["gate"] == "difficulty")
    assert sum(asked) == step["in"] == 60
    assert set(step["reasons"]) <= {f"solved by {tiny_base}"}
    assert step["removed"] > 0, "the tiny base was trained on the legal task"
    hard = {row["id"] for row in read_lines(tmp_path / "curated.jsonl")}
    questions = [q for q in read_questions(str(pool), ["number", "yes_no"]) if q.id in hard]
    assert not any(solved(str(tiny_base), questions, 60, tmp_path / "curated.work/attempts"))
    curate(settings(tmp_path, **given, min_words=5))
    assert sum(asked) == 60, "other gates ask for no attempt again"


def test_vectors_of_an_embedder_are_kept(pool: Path, tmp_path: Path, tiny_base: Path) -> None:
    given = {"embedder": "assistant", "base": str(tiny_base)}
    first = curate(settings(tmp_path, **given))
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "curated.work/vectors").rglob("*.npz")}
    assert parts
    assert curate(settings(tmp_path, **given))["domains"] == first["domains"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "curated.work/vectors").rglob("*.npz")} == parts


def test_attempts_under_one_answer_form_are_not_taken_for_another(pool: Path, tmp_path: Path, tiny_base: Path) -> None:
    rows = [row for row in read_lines(pool) if row.get("domain") == "legal"]
    pool.write_text("".join(json.dumps({**row, "answer": row["answer"].title()}) + "\n" for row in rows))
    given = {"models": [str(tiny_base)], "max_new_tokens": 60}
    removed = {}
    for out, forms in (("same", ["text"]), ("same", ["yes_no"]), ("fresh", ["yes_no"])):
        curate(settings(tmp_path, **given, answer=forms, out=tmp_path / f"{out}.jsonl"))
        removed[out] = read_lines(tmp_path / f"{out}.removed.jsonl")
    assert removed["same"] == removed["fresh"]
    assert any(row["gate"] == "difficulty" for row in removed["fresh"]), "the tiny base can do some of them"


def test_vectors_of_a_prompt_that_names_another_answer_form_are_made_anew(tmp_path: Path, tiny_base: Path) -> None:
    asked = [Question("q", "Is it?", form, ["Yes", "No"]) for form in ("text", "yes_no")]
    vectors = [embedded([question], "assistant", str(tiny_base), tmp_path / "kept")[0] for question in asked]
    alone = embedded(asked[1:], "assistant", str(tiny_base), tmp_path / "others")[0]
    np.testing.assert_array_equal(vectors[1], alone)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3, "an embedder's prompt names the form"


def test_vectors_of_an_embedder_that_changed_in_its_folder_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedders, "_members", {name: embedders.get(name, "test") for name in embedders.names()})

    @embedders.register("constant")
    def constant(folder: str) -> Embedder:
        value = float((Path(folder) / "weights").read_text())
        return lambda batch: np.full((len(batch.questions), 2), value, dtype=np.float32)

    found = []
    for value in ("1", "2"):
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model/weights").write_text(value)
        questions = [Question("q", "Is it?", "text")]
        found.append(embedded(questions, f"constant:{tmp_path / 'model'}", "none", tmp_path / "kept")[0, 0])
    assert found == [1, 2]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"gates": ["lenght"]}, r"--gate: unknown gate 'lenght'; did you mean 'length'"),
        ({"embedder": "word"}, r"--embedder: unknown embedder 'word'"),
        ({"models": ["nothing"]}, r"--model: unknown base 'nothing'"),
        (
            {"options": {"quotas": {"law": 3}}},
            r"select\.options\.quotas\.law: no question that is left is of domain 'law'; did you mean 'legal'",
        ),
        ({"options": {"quotas": {"legal": "some"}}}, r"select\.options\.quotas\.legal: must be a count such as 200"),
        ({"options": {"cluster": 3}}, r"select\.options\.cluster: is no option of reason1k; did you mean 'clusters'"),
        ({"budget": "0"}, r"--budget 0: is no budget"),
        ({"difficulty_by": "ifd"}, r"--difficulty-by: names a signal, and no --signals are given"),
        ({"embeddings": "e.npy", "embedder": "assistant"}, r"--embedder: has nothing to do where --embeddings are"),
        ({"embeddings": "absent.npy"}, r"--embeddings absent\.npy: cannot be read \(No such file"),
        ({"signals": Path("absent.jsonl")}, r"--signals absent\.jsonl: cannot read absent\.jsonl"),
        ({"columns": {"rationale": "thoughts"}}, r"--column rationale: no row of .* has the column 'thoughts'"),
        ({"min_words": 9999}, r"no trace is left \(1 by read, 1 by format, 1 by answer, 61 by length\)"),
        ({"pool": Path("absent.jsonl")}, r"--pool: cannot read absent\.jsonl"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_sentence(
    pool: Path, tmp_path: Path, changed: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        curate(settings(tmp_path, **changed))
    assert not (tmp_path / "curated.jsonl").exists()


def test_the_command_prints_the_funnel_and_replaces_nothing_by_accident(pool: Path, tmp_path: Path) -> None:
    words = ["curate", "--pool", pool, "--out", tmp_path / "c.jsonl", "--budget", "8", "--answer", "number,yes_no"]
    command = [sys.executable, "-m", "bridge_distill", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "8 traces kept, domains: 2" in done.stdout
    assert done.stdout.splitlines()[0].split() == ["gate", "in", "removed", "out", "seconds", "why"]
    page = (tmp_path / "c.html").read_text()
    assert all(f'id="plot-{name}"' in page for name in ("coverage", "difficulty", "reach"))
    assert "https://" not in page.split("<script", 1)[0]
    reasons = [row["selected_reason"] for row in read_lines(tmp_path / "c.jsonl")]
    assert all(f'<td class="cell">{reason}</td>' in page for reason in reasons), "the table says why"
    plots = json.loads(page.split('id="plots">', 1)[1].split("</script>", 1)[0])
    others, diamonds = plots["coverage"]["data"][:2]
    said = [row[1].replace("<br>", " ").removeprefix(" <b>why:</b> ") for row in diamonds["customdata"]]
    assert sorted(said) == sorted(reasons), "and so does the map"
    assert len(others["customdata"]) == 52
    assert {trace["name"] for trace in plots["difficulty"]["data"]} == {"chosen", "not chosen"}
    assert {trace["name"] for trace in plots["reach"]["data"]} == {"chosen", "random"}
    again = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    itself = subprocess.run([*command, "--out", str(pool)], capture_output=True, text=True, timeout=300, check=False)
    assert "is the pool itself" in itself.stderr


@pytest.mark.parametrize("ending", ["removed.jsonl", "funnel.json", "html"])
def test_no_file_beside_the_set_is_replaced_by_accident(
    pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    there = pool.with_name(f"c.{ending}")
    there.write_text("mine")
    assert f"c.{ending}, which is written beside it, is there already; give another name, or add --force" in said_by(
        monkeypatch, capsys, pool, "--out", pool.with_name("c.jsonl")
    )
    assert there.read_text() == "mine"
    said_by(monkeypatch, capsys, pool, "--out", pool.with_name("c.jsonl"), "--force")
    assert there.read_text() != "mine"


def test_the_pool_is_never_replaced_by_a_file_beside_the_set(
    pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    removed = pool.rename(pool.with_name("t.removed.jsonl"))
    before = removed.read_text()
    said = said_by(monkeypatch, capsys, removed, "--out", pool.with_name("t.jsonl"), "--force")
    assert "t.removed.jsonl, which is written beside it, is the pool itself; give another name" in said
    assert removed.read_text() == before
    assert not pool.with_name("t.jsonl").exists()
    assert "--out .: has no known suffix" in said_by(monkeypatch, capsys, removed, "--out", ".")


def said_by(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pool: Path, *words: object) -> str:
    """What the command says of what is wrong."""
    given = ["curate", "--pool", pool, "--budget", 8, "--answer", "number,yes_no", *words]
    monkeypatch.setattr(sys, "argv", ["bridge-distill", *map(str, given)])
    with pytest.raises(SystemExit):
        main()
    return capsys.readouterr().err
