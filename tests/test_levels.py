"""The levels of a trace: learnt as one sequence, as tasks or in stages, asked for as they were learnt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_distill import artifacts, practice, prompts
from bridge_distill.answers import read_answer
from bridge_distill.assistant import apprentice, check, tutor
from bridge_distill.assistant.lessons import lessons
from bridge_distill.assistant.levels import phases
from bridge_distill.assistant.strategies import COMMON, NOTHING_COMMON, common_plan, with_strategies
from bridge_distill.config import Assistant, Compute, Evaluate, Tutor
from bridge_distill.engine.fingerprint import digest_folder
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.evaluation import grade
from bridge_distill.kinds import kinds
from bridge_distill.models.engines.transformers import Transformers
from bridge_distill.models.generator import Decoding
from bridge_distill.models.levels import explain
from bridge_distill.models.load import load
from bridge_distill.models.train import Training, fine_tune
from bridge_distill.records import EXPERT, Question, Rationale
from bridge_distill.traces import parse, render
from tiny import command, tree, write

QUESTIONS = practice.make("medical", 6, 3, 0.0)
BY_ID = {question.id: question for question in QUESTIONS}


def deep(question: Question) -> Rationale:
    trace = practice.trace(question.text, 0, False)
    assert trace is not None
    return Rationale(question.id, 0, EXPERT, render(trace), trace.answer, True, "", strategy=trace.strategy)


def flat(question: Question, phrasing: int = 0) -> Rationale:
    text = practice.explain(question, phrasing=phrasing, error=False)
    return Rationale(question.id, 0, EXPERT, text, read_answer(text, question), True, "")


ROWS = [*map(deep, QUESTIONS[:5]), flat(QUESTIONS[5])]


def settings(levels: str, **more: Any) -> Assistant:
    return Assistant.model_validate({"levels": levels, **more})


def test_one_sequence_is_the_prompt_of_every_model_and_the_whole_text() -> None:
    [joint] = phases(settings("joint"), BY_ID, ROWS)
    assert [(e.prompt, e.completion) for e in joint.examples] == [
        (prompts.local(BY_ID[row.question_id]), row.text) for row in ROWS
    ]
    assert all("".join(part for part, _ in e.parts) == e.completion for e in joint.examples)
    assert {weight for e in joint.examples for _, weight in e.parts} == {1}


def test_tasks_ask_for_each_level_and_together_write_the_whole() -> None:
    [tasks] = phases(settings("tasks"), BY_ID, ROWS)
    assert len(tasks.examples) == 3 * 5 + 1
    for row, start in zip(ROWS, range(0, 15, 3), strict=False):
        strategy, steps, answer = tasks.examples[start : start + 3]
        assert "\n".join(e.completion for e in (strategy, steps, answer)) == row.text
        assert strategy.completion in steps.prompt
        assert steps.completion in answer.prompt
    assert tasks.examples[-1].completion == ROWS[-1].text


def test_stages_learn_the_strategy_first_and_then_the_rest() -> None:
    first, then = phases(settings("staged"), BY_ID, ROWS)
    assert [[weight for _, weight in e.parts] for e in first.examples] == [[1, 0, 0]] * 5
    assert [[weight for _, weight in e.parts] for e in then.examples] == [[0, 1, 1]] * 5 + [[1, 1]]
    assert [e.completion for e in then.examples] == [row.text for row in ROWS]


@pytest.mark.parametrize("levels", ["joint", "tasks", "staged"])
def test_a_level_of_weight_0_is_not_learnt(levels: str) -> None:
    found = phases(settings(levels, level_weights={"strategy": 0}), BY_ID, ROWS)
    learnt = [part for phase in found for e in phase.examples for part, weight in e.parts if weight]
    assert learnt
    assert not any(part.startswith("Strategy:") for part in learnt)


@pytest.mark.parametrize("levels", ["tasks", "staged"])
def test_levels_without_any_strategy_are_refused(levels: str) -> None:
    with pytest.raises(UserError, match=rf"assistant\.levels: {levels} needs strategies"):
        phases(settings(levels), BY_ID, [flat(question) for question in QUESTIONS])


def test_weights_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one weight above 0"):
        settings("joint", level_weights={"strategy": 0, "tactics": 0, "answer": 0})
    only = settings("joint", level_weights={"tactics": 0, "answer": 0})
    with pytest.raises(UserError, match=r"assistant\.level_weights: leave nothing"):
        phases(only, BY_ID, [flat(question) for question in QUESTIONS])


def test_levels_that_no_teacher_will_give_are_refused_before_anything_is_paid() -> None:
    for unfit in (settings("tasks"), settings("joint", level_weights={"tactics": 0, "answer": 0})):
        with pytest.raises(UserError):
            check(unfit, "flat")
        check(unfit, "hierarchical")
        check(unfit.model_copy(update={"strategies": "clusters"}), "flat")


def test_rationales_without_any_weight_are_counted() -> None:
    only = settings("joint", level_weights={"tactics": 0, "answer": 0})
    mixed = [deep(QUESTIONS[0]), *(flat(question) for question in QUESTIONS[1:3])]
    assert lessons(only, mixed, None, False, 0).figures() == {"weightless": 2}


def test_new_settings_at_their_defaults_leave_the_identity_of_older_runs() -> None:
    assert not {"levels", "level_weights", "strategies"} & Assistant().identity().keys()
    assert settings("staged", level_weights={"answer": 2}).identity()["level_weights"]["answer"] == 2


def shop(folder: Path, rows: list[Rationale]) -> tuple[Path, Path]:
    data, teach = folder / "data", folder / "teach"
    for made in (data, teach):
        made.mkdir(parents=True)
    write_rows(data / artifacts.TRAIN, Question, QUESTIONS)
    write_rows(teach / artifacts.RATIONALES, Rationale, rows)
    return data, teach


def tune(base: Path, folder: Path, out: str = "out", rows: list[Rationale] = ROWS, **more: Any) -> dict[str, Any]:
    data, teach = shop(folder / out, rows)
    plan = Assistant.model_validate(
        {"base": str(base), "epochs": 1, "shrink": {"vocabulary": None}, "learning_rate": 1e-3, **more}
    )
    made = folder / out / "assistant"
    return apprentice(plan, data, teach, made, folder / f"{out}-scratch", Compute(), 0, kinds)


@pytest.mark.parametrize(("levels", "adapter"), [("joint", "full"), ("tasks", "full"), ("staged", "lora")])
def test_an_assistant_is_tuned_on_every_kind_of_levels(
    tiny_base: Path, tmp_path: Path, levels: str, adapter: str
) -> None:
    figures = tune(tiny_base, tmp_path, levels=levels, adapter=adapter, level_weights={"answer": 2})
    parts = figures.get("phases", [figures])
    assert [part["examples"] for part in parts] == {"joint": [6], "tasks": [16], "staged": [5, 6]}[levels]
    assert figures["steps"] == sum(part["steps"] for part in parts)
    assert load(str(tmp_path / "out/assistant/model"), Compute(), "b").parameters == figures["parameters"]


def test_what_flat_rationales_got_is_counted(tiny_base: Path, tmp_path: Path) -> None:
    figures = tune(
        tiny_base, tmp_path, rows=[*map(deep, QUESTIONS[:3]), *map(flat, QUESTIONS[3:])], strategies="clusters"
    )
    assert sum(figures["traces"].values()) == 3
    assert set(figures["traces"]) <= {COMMON, NOTHING_COMMON}


class Killed(BaseException):
    """Stands for a kill between two phases."""


def test_stages_resumed_after_a_kill_end_with_the_same_bytes(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune(tiny_base, tmp_path, "whole", levels="staged")
    from bridge_distill.models.load import Model

    real = Model.save

    def dies(self: Model, folder: Path) -> None:
        raise Killed

    monkeypatch.setattr(Model, "save", dies)
    with pytest.raises(Killed):
        tune(tiny_base, tmp_path, "killed", levels="staged")
    monkeypatch.setattr(Model, "save", real)
    for name in ("data", "teach"):
        (tmp_path / "killed" / name).rename(tmp_path / "killed" / f"{name}-before")
    tune(tiny_base, tmp_path, "killed", levels="staged")
    whole, killed = (digest_folder(tmp_path / name / "assistant") for name in ("whole", "killed"))
    assert whole == killed


def test_a_model_that_learnt_tasks_is_asked_level_by_level(tiny_base: Path, tmp_path: Path) -> None:
    question = Question("q", "Is there diversity jurisdiction?", "yes_no", answer="yes")
    text = "Strategy: Different states.\nSteps:\n1. Diverse and enough.\nAnswer: yes"
    row = Rationale("q", 0, EXPERT, text, "yes", True, "", strategy="Different states.")
    model = load(str(tiny_base), Compute(), "base")
    [tasks] = phases(settings("tasks"), {"q": question}, [row])
    fine_tune(model, tasks.examples, Training(100, 3, 1e-2, 500, 1000, 0), tmp_path / "c", "t")
    ticks: list[int] = []
    generator = Transformers(model, 4000)
    [samples] = explain(generator, [question], "tasks", Decoding(90, samples=2), 0, ticks.append)
    assert [(made.text, made.finished) for made in samples] == [(row.text, True)] * 2
    assert sum(ticks) == 1
    [[short]] = explain(generator, [question], "tasks", Decoding(samples[0].tokens - 1), 0)
    assert not short.finished

    model.save(tmp_path / "assistant/model")
    for name in ("data", "tutor", "shards", "test", "test-shards"):
        (tmp_path / name).mkdir()
    write_rows(tmp_path / "data" / artifacts.TRAIN, Question, [question])
    folders = [tmp_path / name for name in ("data", "assistant", "tutor", "shards")]
    tutor(Tutor(), *folders, Compute(), 0, "tasks")
    [made] = artifacts.rationales(tmp_path / "tutor")
    assert (made.text, made.strategy, made.kept) == (row.text, row.strategy, True)
    folder, scratch = tmp_path / "test", tmp_path / "test-shards"
    name = str(tmp_path / "assistant/model")
    scores = grade(Evaluate(), "assistant", name, [question], folder, scratch, Compute(), "tasks")
    assert scores["accuracy"] == 1


def test_flat_rationales_get_the_plan_of_their_kind() -> None:
    questions = practice.make("medical", 60, 1, 0.3)
    rows = [flat(question, 1) for question in questions]
    made = with_strategies({q.id: q for q in questions}, rows, kinds, 0)
    assert made == with_strategies({q.id: q for q in questions}, rows, kinds, 0)
    given = [row for row in made if row.note == COMMON]
    assert len(given) > len(rows) / 2
    for row in given:
        trace = parse(row.text)
        assert trace is not None
        assert trace.strategy == row.strategy
        assert trace.answer == row.answer
    for old, new in zip(rows, made, strict=True):
        assert new.note == COMMON or new == replace(old, note=NOTHING_COMMON)


def test_the_teachers_own_strategy_goes_before_a_made_one() -> None:
    same = practice.make("medical", 40, 1, 0.0)
    rows = [deep(same[0]), *(flat(question) for question in same[1:])]
    made = with_strategies({q.id: q for q in same}, rows, lambda texts, seed: [0] * len(texts), 0)
    assert made[0] == rows[0]
    assert {row.strategy for row in made} == {rows[0].strategy}


def test_a_strategy_that_gave_its_question_away_does_not_come_back_as_a_step() -> None:
    same = practice.make("medical", 2, 1, 0.0)
    told = f"Strategy: Do as with the {same[1].text.split()[0]}.\nSteps:\n1. First this.\n2. Then that."
    leaked = replace(flat(same[1]), text=f"{told}\nAnswer: {same[1].answer}")
    _, made = with_strategies({q.id: q for q in same}, [deep(same[0]), leaked], lambda texts, seed: [0, 0], 0)
    trace = parse(made.text)
    assert trace is not None
    assert trace.steps == ("First this.", "Then that.")


def test_what_only_the_reasons_for_one_answer_share_is_no_plan() -> None:
    yes, no = (
        ["The states differ widely, so there is diversity."] * 4,
        ["Both are from one state, so there is none."] * 4,
    )
    assert common_plan([[*yes, *no]]) is None
    assert common_plan([yes, no]) is None
    assert common_plan([yes]) == "The states differ widely, so there is diversity."
    questions = [Question(f"q{n}", f"Is {n} even?", "yes_no", answer="yes") for n in range(4)]
    rows = [Rationale(q.id, 0, EXPERT, f"{yes[0]}\nAnswer: yes", "yes", True, "") for q in questions]
    made = with_strategies({q.id: q for q in questions}, rows, lambda texts, seed: [0] * len(texts), 0)
    assert {row.note for row in made} == {NOTHING_COMMON}


def suit(state: str, claim: int, *findings: str) -> str:
    parties = f"James is from {state}. Lucas is from Ohio. Lucas is sued by James."
    return " ".join([parties, f"The claim against Lucas is for ${claim}.", *findings])


@pytest.mark.parametrize(
    ("findings", "plan"),
    [
        ((), None),
        (("James wins.",), None),
        (("First, find both states.",), "The claim; then find both states."),
    ],
)
def test_neither_a_person_nor_a_scrap_of_a_sentence_is_a_plan(findings: tuple[str, ...], plan: str | None) -> None:
    # Capitals do not tell that James, who is in every case and begins his sentence, is a name.
    told = [suit(state, claim, *findings) for state, claim in (("Maine", 80_000), ("Utah", 90_000), ("Iowa", 76_000))]
    assert common_plan([told]) == plan


@given(st.lists(st.text(), min_size=1, max_size=8), st.integers(0, 3))
def test_any_rationales_are_taken(texts: list[str], seed: int) -> None:
    questions = {str(n): Question(str(n), text, "text") for n, text in enumerate(texts)}
    rows = [Rationale(name, 0, EXPERT, f"{q.text}\nAnswer: a", "a", True, "") for name, q in questions.items()]
    made = with_strategies(questions, rows, kinds, seed)
    assert [row.question_id for row in made] == [row.question_id for row in rows]
    assert all(row.strategy is None or parse(row.text) for row in made)


def test_a_run_asks_learns_and_is_asked_in_levels_and_its_report_says_how_traces_were_read(
    tiny_base: Path, tmp_path: Path
) -> None:
    made = tree(tiny_base, arms={})
    made["teacher"]["trace"] = "hierarchical"
    made["assistant"] |= {"levels": "tasks", "level_weights": {"answer": 2}}
    done = command("run", write(tmp_path, made))
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs/tiny"
    assert [row.note for row in artifacts.rationales(run / "teach")] == [""] * 8
    record = json.loads((run / "assistant/record.json").read_text())
    assert record["figures"]["examples"] == 3 * 8
    verdicts = artifacts.verdicts(run / "evaluate/assistant")
    assert all(verdict.text.count("\n") >= 2 for verdict in verdicts)
    assert "8 as asked" in (run / "report.html").read_text()
