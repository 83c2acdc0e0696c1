"""Study files: what is refused, what a plan counts, that every shipped study is one, and what two models compare to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge_distill.config import Study
from bridge_distill.contexts import contexts
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.records import Question, Verdict
from bridge_distill.report.study import summarise_study
from bridge_distill.report.summary import summarise
from bridge_distill.study.cells import check, read_study
from bridge_distill.study.compare import compare, in_words
from bridge_distill.study.plan import in_words as plan_in_words
from bridge_distill.study.plan import plan_study
from studies import line, write_study
from tiny import tree, write

ROOT = Path(__file__).parent.parent
SHIPPED = sorted(
    path for path in (ROOT / "configs/studies").glob("*.yaml") if "arms" in yaml.safe_load(path.read_text())
)
ANSWERS = {"legal_diversity": "yes", "tatqa_arith": "3"}
DIRECT = {"assistant": None, "tutor": None}
ARMS: dict[str, Any] = {"direct": DIRECT, "bridge": {}}


def study(folder: Path, tiny: Path, **changes: Any) -> Path:
    write(folder, tree(tiny, budget={"queries": "20%"}, arms={}) | changes.pop("run", {}))
    path = folder / "study.yaml"
    made = {"name": "both", "base": "run.yaml", "arms": ARMS, "reference": "direct"} | changes
    path.write_text(yaml.safe_dump(made, sort_keys=False))
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_study_has_a_plan_and_stands_in_its_document(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gpt35_tracking", "gpt35_dates", "csqa_palm_cose", "legal_diversity", "tatqa_arith"):
        (tmp_path / name).mkdir()
        for split in ("train", "test"):
            rows = [
                {
                    "id": f"{split}-{n}",
                    "question": f"{split} {n}?",
                    "choices": ["a", "b"],
                    "answer": ANSWERS.get(name, "A"),
                    "rationale": "a",
                }
                for n in range(40)
            ]
            (tmp_path / name / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("BRIDGE_DATA", str(tmp_path))
    file = read_study(path, [f"runs={tmp_path}/runs"])
    check(file)
    found = plan_study(file)
    assert found["cells"]["all"] == len(file.cells) > found["cells"]["done"]
    assert found["stages"]["distinct"] < found["stages"]["all"]
    assert found["seconds"] > 0
    [tokens] = {cell.run.student.tokens for cell in file.cells}
    assert tokens, "arms of unequal examples are compared at equal tokens"
    assert f"configs/studies/{path.name})" in (ROOT / "docs/studies.md").read_text()
    assert path.stem == file.study.name
    assert not (tmp_path / "runs").exists()


def test_the_study_that_is_shown_is_one() -> None:
    shown = re.search(r"```yaml\n(.*?)```", (ROOT / "docs/studies.md").read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    assert Study.model_validate(yaml.safe_load(shown[1])).reference == "direct"


def test_an_arm_is_there_once_for_each_budget_and_seed_and_one_with_a_budget_of_its_own_once_a_seed(
    tiny_base: Path, tmp_path: Path
) -> None:
    arms = ARMS | {"all": DIRECT | {"budget.queries": "100%"}}
    data = {"easy": {}, "hard": {"data.train": "practice:legal?n=30&seed=1&difficulty=1"}}
    file = read_study(study(tmp_path, tiny_base, arms=arms, budgets=["10%", {"queries": 5}], seeds=[1, 2], data=data))
    labels = [cell.label for cell in file.cells]
    assert len(labels) == len(set(labels)) == 2 * 2 * (2 * 2 + 1)
    assert labels[:3] == ["easy, direct, 10%, seed 1", "easy, bridge, 10%, seed 1", "easy, all, 100%, seed 1"]
    assert "hard, direct, 5, seed 2" in labels
    assert {cell.run.budget.queries for cell in file.cells} == {"10%", 5, "100%"}


def test_an_arm_without_an_assistant_asks_the_same_questions_where_assistant_and_student_have_other_bases(
    tiny_base: Path, tmp_path: Path
) -> None:
    path = study(tmp_path, tiny_base, run={"assistant": {"base": "smollm2-135m"}})
    direct, bridge = read_study(path).cells
    bought = ["data", "score", "select", "teach"]
    assert [direct.keys[name] for name in bought] == [bridge.keys[name] for name in bought]
    none = read_study(study(tmp_path, tiny_base, run={"assistant": None, "tutor": None}, arms={"direct": {}})).cells
    assert none[0].keys["score"] != direct.keys["score"], "without any assistant the student's base reads the pool"
    assert none[0].keys["score"] == read_study(study(tmp_path, tiny_base)).cells[0].keys["score"]


def test_a_plan_counts_what_cells_share_once_and_buys_no_question_twice(tiny_base: Path, tmp_path: Path) -> None:
    arms = ARMS | {"labels": DIRECT | {"student.curriculum": ["labels"]}}
    file = read_study(study(tmp_path, tiny_base, arms=arms, budgets=["10%", "50%", "100%"], cap={"usd": "0.5"}))
    found = plan_study(file)
    # data, score and the base's test once; select, teach and both students' work a budget; labels need none of it.
    assert found["stages"] == {"all": 3 * (7 + 10 + 4), "distinct": 3 + 3 * (2 + 2 + 5) + 2, "done": 0}
    (buying,) = found["buying"]
    assert (buying["questions"], buying["requests"]) == (40, 40)
    assert 0 < float(buying["expected_usd"]) <= float(buying["worst_usd"]) <= 0.5
    assert found["cap"] == {"usd": "0.5"}
    assert "9 cells, 0 of them done" in plan_in_words(found)
    assert not (tmp_path / "runs").exists()


BAD: list[tuple[dict[str, Any], str]] = [
    ({"arms": {}}, "arms: "),
    ({"reference": "dirct"}, "reference 'dirct' is none of the arms"),
    ({"budgets": ["5%", "5%"]}, "budgets holds a value twice"),
    ({"budgets": [{"usd": 1}]}, "takes queries alone"),
    ({"budgets": ["120%"]}, "at most 100%"),
    ({"arms": {"direct": {"budget": {"usd": 1}}}}, "arms.direct: budget: takes queries alone"),
    ({"arms": {"direct": {"budget": {"queries": 5, "store": {"usd": 1}}}}}, "arms.direct: budget: takes queries alone"),
    (
        {"arms": {"direct": {"budget.queries": 5, "budget.study": {"name": "x", "usd": 1}}}},
        "arms.direct: budget: takes queries alone",
    ),
    ({"arms": {"direct": {"store": "a.sqlite"}}}, "arms.direct.store: keeps books that the cap"),
    ({"data": {"law": {"store": "a.sqlite"}}}, "data.law.store: keeps books that the cap"),
    ({"arms": {"direct": {"data.test": "practice:dates"}}}, "arms.direct.data.test: makes other test questions"),
    ({"arms": {"direct": {"data": {"tolerance": 0.5}}}}, "arms.direct.data.tolerance: makes other test questions"),
    ({"cap": {"usd": 1, "queries": "10%"}}, "cap: queries is a share (10%)"),
    ({"arms": {"direct": {"student.stps": 3}}}, "arms.direct: student.stps: unknown key"),
    ({"data": {"law": {"data.answr": "text"}}}, "data.law: data.answr: unknown key"),
    ({"base": "nothing.yaml"}, "nothing.yaml: cannot be read"),
    ({"base": "run\0.yaml"}, "base: holds a NUL"),
    ({"seeds": [0, -1]}, "seeds.1: input should be greater than or equal to 0"),
    ({"seeds": [2**32]}, "seeds.0: input should be less than or equal to 2147483647"),
    ({"sed": [1]}, "sed: unknown key; did you mean 'seeds'"),
    ({"run": {"budget": {"queries": 4, "usd": 1}}}, "cap: is missing, though the base run sets budget.usd"),
    ({"run": {"budget": {"queries": 4, "study": {"name": "s", "usd": 1}}}}, "the base run sets budget.study"),
    ({"run": {"budget": {"output_tokens": 900}}, "cap": {"output_tokens": 900}}, "budgets: is missing"),
    ({"arms": {"direct": {"seed": 3}}}, "arms.direct.seed: is said by the study itself"),
    ({"data": {"law": {"budget.queries": 3}}}, "data.law.budget.queries: is said by the study itself"),
    ({"arms": {"direct": {"evaluate.harness": ["arc_easy"]}}}, "arms.direct: evaluate.harness: has no place"),
    ({"arms": {"direct": {"evaluate.models": ["base"]}}}, "arms.direct: evaluate.models: has no student"),
    ({"arms": {"direct": {"select.method": "bridg"}}}, "tiny, direct: select.method: unknown"),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD, ids=[sentence[:30] for _, sentence in BAD])
def test_a_wrong_study_is_refused_in_one_sentence_before_anything_is_done(
    tiny_base: Path, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    path = study(tmp_path, tiny_base, **{"arms": {"direct": {}}, **changes})
    with pytest.raises(UserError) as refused:
        check(read_study(path))
    assert sentence in str(refused.value)


HEARD = [
    "student.batch=3",
    "student.shrink.layers=1",
    "assistant.epochs=3",
    "runs=elsewhere",
    "store=a.sqlite",
    "budget.store=null",
]
UNHEARD = [
    ("student.steps=9", "arms.short.student.steps"),
    ("student={batch: 3, steps: 9}", "arms.short.student.steps"),
    ("assistant=null", "arms.direct.assistant"),
    ("teacher.error_rate=0.5", "data.wrong.teacher.error_rate"),
    ("data.train=practice:dates", "data.wrong.data.train"),
    ("select.options.clusters=2", "arms.short.select.options"),
    ("teacher=null", "data.wrong.teacher.error_rate"),
    ("seed=3", "seeds"),
    ("name=other", "name"),
    ("budget.queries=3", "budgets"),
    ("budget={usd: 1}", "cap"),
    ("arms.more={}", "arms"),
]


def overruling(folder: Path, tiny: Path, **changes: Any) -> Path:
    """A study whose arms, data sets and own settings say some things themselves."""
    arms = ARMS | {"short": {"student": {"steps": 2, "epochs": None}, "select.options": {}}}
    data = {"right": {}, "wrong": {"teacher.error_rate": 0.4, "data.train": "practice:legal?n=30&seed=4&difficulty=0"}}
    return study(folder, tiny, arms=arms, data=data, **changes)


@pytest.mark.parametrize(("override", "place"), UNHEARD)
def test_an_override_that_some_cell_would_not_hear_is_refused_with_the_place_to_change(
    tiny_base: Path, tmp_path: Path, override: str, place: str
) -> None:
    path = overruling(tmp_path, tiny_base, budgets=["20%"])
    with pytest.raises(UserError) as refused:
        read_study(path, [override])
    problem = f"--set {override}: would leave some cells as they are, for the study says {place}; change it there"
    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize("override", HEARD)
def test_an_override_that_every_cell_hears_is_taken(tiny_base: Path, tmp_path: Path, override: str) -> None:
    assert read_study(overruling(tmp_path, tiny_base), [override]).cells


def test_arms_may_learn_from_other_pools_and_explanations(tiny_base: Path, tmp_path: Path) -> None:
    few = {"data.train": "practice:legal?n=9&seed=1&difficulty=0", "data.limit_train": 5, "data.columns.rationale": "r"}
    cells = read_study(study(tmp_path, tiny_base, arms=ARMS | {"few": few})).cells
    assert [cell.run.data.limit_train for cell in cells] == [None, None, 5]


def test_an_override_reaches_every_cell_that_has_such_a_thing(tiny_base: Path, tmp_path: Path) -> None:
    settings = tmp_path / "more.yaml"
    settings.write_text("assistant: {epochs: 3}\nstudent: {batch: 7}\n")
    runs = [cell.run for cell in read_study(overruling(tmp_path, tiny_base), [str(settings)]).cells]
    assert {run.student.batch for run in runs} == {7}
    assert {run.assistant.epochs for run in runs if run.assistant is not None} == {3}
    settings.write_text("student: {steps: 7}\n")
    with pytest.raises(UserError, match=r"more\.yaml: would leave .* says arms\.short\.student\.steps"):
        read_study(overruling(tmp_path, tiny_base), [str(settings)])


def grouped(texts: Sequence[str]) -> list[int] | None:
    return contexts([Question(str(number), text, "text") for number, text in enumerate(texts)])


@given(
    st.lists(st.integers(1, 4), min_size=11, max_size=30),
    st.integers(0, 20),
    st.lists(st.sampled_from(["", "Answer briefly.\n", "Read this.\n\nThen answer.\n"]), min_size=1, max_size=3),
)
def test_questions_share_a_context_where_all_but_their_last_line_and_an_instruction_is_the_same(
    sizes: list[int], alone: int, instructions: list[str]
) -> None:
    asked = [f"table {table}\nrow {table}\nquestion {n}?" for table, size in enumerate(sizes) for n in range(size)]
    asked += [f"question {number}?" for number in range(alone)]
    tables = [text.split("\n")[0] if "\n" in text else text for text in asked]
    assume(1 < len(set(tables)) < len(tables))
    assume(max(sizes) * 10 <= len(asked))
    # Each instruction stands before each table, in turn: a table is the same under both.
    texts = [instructions[place % len(instructions)] + text for place, text in enumerate(asked)]
    numbers = grouped(texts)
    assert numbers is not None
    pairs = [(one, other) for one in range(len(texts)) for other in range(len(texts))]
    assert all((numbers[a] == numbers[b]) == (tables[a] == tables[b]) for a, b in pairs)


def test_templates_that_take_turns_are_no_contexts() -> None:
    templates = ["Answer yes or no.", "You are asked by a lawyer.\nBe brief."]
    assert grouped([f"{templates[number % 2]}\nIs {number} even?" for number in range(300)]) is None


@given(st.integers(0, 40), st.booleans())
def test_where_all_contexts_are_others_or_all_are_one_there_are_none(count: int, same: bool) -> None:
    assert grouped([f"table {'one' if same else number}\nhow many?" for number in range(count)]) is None


def run_folder(folder: Path, students: dict[str, list[bool]], gold: str = "yes", tables: int = 0) -> Path:
    """A finished run, its own student under ``""`` and those of arms, on as many questions as they answered."""
    first = next(iter(students.values()))
    about = [f"Table {n * tables // len(first)}\n" if tables else "" for n in range(len(first))]
    questions = [Question(f"q{n}", f"{about[n]}Is {n} blue?", "yes_no", answer=gold) for n in range(len(first))]
    arms: dict[str, dict[str, str]] = {}
    for arm, right in students.items():
        at = f"arms/{arm}/evaluate/student" if arm else "evaluate/student"
        rows = [Verdict(f"q{n}", "student", "", "yes", each, True, False, 1) for n, each in enumerate(right)]
        (folder / at).mkdir(parents=True)
        write_rows(folder / at / "verdicts.parquet", Verdict, rows)
        (folder / at / "record.json").write_text("{}")
        arms[arm] = {"data": "data", "evaluate/student": at}
    (folder / "data").mkdir()
    write_rows(folder / "data/test.parquet", Question, questions)
    (folder / "data/record.json").write_text("{}")
    facts = {"name": folder.name, "plan": [], "stages": arms.pop(""), "arms": arms}
    (folder / "run.json").write_text(json.dumps(facts))
    return folder


def test_two_models_are_compared_on_the_same_questions_with_an_exact_test(tmp_path: Path) -> None:
    one = run_folder(tmp_path / "one", {"": [True] * 30 + [False] * 10, "direct": [True] * 10 + [False] * 30})
    found = compare([one], ["student", "direct"])
    assert [model["correct"] for model in found["models"]] == [30, 10]
    assert found["difference"]["points"] == 50
    assert found["difference"]["p"] == pytest.approx(2 * 0.5**20)
    assert found["difference"]["resolved"]
    assert "+50.0 points" in in_words(found)
    other = run_folder(tmp_path / "other", {"": [True] * 29 + [False] * 11})
    close = compare([one, other], [])
    assert close["difference"]["points"] == 2.5
    assert "not resolved" in in_words(close)
    assert compare([other, one], ["student", "direct"])["difference"]["points"] == 47.5
    elsewhere = run_folder(tmp_path / "elsewhere/one", {"": [True] * 10 + [False] * 30, "student": [True] * 40})
    assert compare([one, elsewhere], [])["difference"]["points"] == 50, "runs of one name in two places are two"
    assert compare([elsewhere], ["student (arm)"])["difference"]["points"] == -75


def test_questions_that_share_a_context_are_told_as_a_study_of_one_seed_tells_them(tmp_path: Path) -> None:
    right = {"": [n % 20 < 12 for n in range(200)], "direct": [n % 20 < 9 for n in range(200)]}
    right = {arm: [*each[:190], *[not one for one in each[190:]]] for arm, each in right.items()}
    groups = [n // 10 for n in range(200)]
    lines = [line("s", arm or "own", "5%", 0, [int(one) for one in each], groups=groups) for arm, each in right.items()]
    own, direct = summarise_study(write_study(tmp_path / "study", lines, "direct"))["sets"]["s"]["arms"]
    run = run_folder(tmp_path / "run", right, tables=20)
    found = compare([run], ["student", "direct"])
    for model, arm in zip(found["models"], (own, direct), strict=True):
        assert (model["low"], model["high"]) == (arm["accuracy"]["low"], arm["accuracy"]["high"])
    for key in ("points", "low", "high", "p", "detectable"):
        assert found["difference"][key] == own["difference"][key]
    assert "p over 20 contexts = " in in_words(found)
    summary = summarise(run)
    assert summary["differences"]["direct"] == found["difference"]
    assert summary["models"]["student"]["contexts"] == 20


def test_what_cannot_be_compared_is_refused_in_one_sentence(tmp_path: Path) -> None:
    one = run_folder(tmp_path / "one", {"": [True] * 4, "direct": [True] * 4})
    changed = run_folder(tmp_path / "changed", {"": [True] * 4}, gold="no")
    for runs, arms, sentence in (
        ([one], [], "compared with itself"),
        ([one], ["dirct", "student"], "--arm dirct: is no tested model"),
        ([one, changed], [], "question q0 is another one"),
        ([one, one, one], [], "takes two models"),
        ([tmp_path], [], "holds no run.json"),
    ):
        with pytest.raises(UserError, match=sentence):
            compare(runs, arms)
