"""The assistant improves itself on what it explains right: paid replies stay in, nothing held out is learnt."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge_distill import artifacts, practice, prompts
from bridge_distill.answers import is_correct, read_answer
from bridge_distill.assistant import improve
from bridge_distill.config import Assistant, Compute
from bridge_distill.engine.fingerprint import digest_folder
from bridge_distill.engine.rows import write_rows
from bridge_distill.engine.stage import read_record
from bridge_distill.forecast import forecast
from bridge_distill.models.load import load
from bridge_distill.models.train import Example, Training, fine_tune
from bridge_distill.pipeline import stages
from bridge_distill.records import ASSISTANT, EXPERT, HINTED, Question, Rationale
from bridge_distill.runfile import read_run
from pages import Page
from tiny import command, killed, tree, write

STAGES = ["improve-0/assistant", "improve-1/explain", "improve-1/assistant", "improve-2/explain", "assistant"]
IMPROVE = {
    "rounds": 2,
    "samples": 2,
    "max_new_tokens": 60,
    "shard": 8,
    "filters": ["finished", "correct", "best"],
    "epochs": 1,
    "paid_share": 0.5,
}


def improving(base: Path, **changes: Any) -> dict[str, Any]:
    """A run of seconds whose assistant improves itself in two rounds."""
    made = tree(base, **{"arms": {}, **changes})
    made["assistant"] |= {"improve": IMPROVE}
    return made


def rationales(run: Path, stage: str) -> list[Rationale]:
    return artifacts.rationales(run / stage)


def kept(run: Path, stage: str) -> list[Rationale]:
    return [row for row in rationales(run, stage) if row.kept]


@pytest.fixture(scope="module")
def finished(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run file whose run was never interrupted up to the assistant; an arm improves itself once."""
    folder = tmp_path_factory.mktemp("improving")
    file = write(folder, improving(tiny_base, arms={"once": {"assistant.improve.rounds": 1}}))
    done = command("run", file, "--until", "assistant")
    assert done.returncode == 0, done.stderr
    return folder


def test_each_round_explains_what_was_not_paid_and_keeps_only_what_is_right(finished: Path) -> None:
    run = finished / "runs/tiny"
    pool = {question.id: question for question in artifacts.train_questions(run / "data")}
    paid = {row.question_id for row in kept(run, "teach")}
    for number in (1, 2):
        rows = rationales(run, f"improve-{number}/explain")
        plain = [row for row in rows if row.author == ASSISTANT]
        assert [row.question_id for row in plain] == [name for name in pool if name not in paid for _ in range(2)]
        good = [row for row in rows if row.kept]
        assert good, "the tiny base was taught this task"
        assert all(is_correct(row.answer, pool[row.question_id]) for row in good)
        assert len({row.question_id for row in good}) == len(good), "the best sample of a question"


def test_what_was_missed_and_only_that_is_asked_again_with_a_hint(finished: Path) -> None:
    run = finished / "runs/tiny"
    for number in (1, 2):
        rows = rationales(run, f"improve-{number}/explain")
        asked = {row.question_id for row in rows if row.author == ASSISTANT}
        found = {row.question_id for row in rows if row.author == ASSISTANT and row.kept}
        assert {row.question_id for row in rows if row.author == HINTED} == asked - found
        assert not any("Hint" in row.text for row in rows if row.kept)


def test_figures_add_up_to_the_rows(finished: Path) -> None:
    run = finished / "runs/tiny"
    for number in (1, 2):
        figures = read_record(run / f"improve-{number}/explain")["figures"]
        rows = rationales(run, f"improve-{number}/explain")
        for author, found in ((ASSISTANT, figures), (HINTED, figures["hinted"])):
            mine = [row for row in rows if row.author == author]
            assert (found["written"], found["kept"]) == (len(mine), sum(row.kept for row in mine))
            assert found["joined"] == len({row.question_id for row in mine if row.kept})
            assert sum(step["removed"] for step in found["filters"]) == len(mine) - found["kept"]
        right, unlearnt = figures["right"], figures["right_unlearnt"]
        assert right["n"] == figures["asked"] == 32
        assert right["low"] <= right["correct"] / right["n"] <= right["high"]
        joined = {row.question_id for row in kept(run, "improve-1/explain")} if number == 2 else set()
        assert (0 if unlearnt is None else unlearnt["n"]) == 32 - len(joined)


def test_paid_rationales_are_always_learnt_and_are_their_share(finished: Path) -> None:
    run = finished / "runs/tiny"
    for number, stage in ((1, "improve-1/assistant"), (2, "assistant")):
        figures, own = read_record(run / stage)["figures"], len(kept(run, f"improve-{number}/explain"))
        learnt = figures["lessons"]
        assert (learnt["paid"], learnt["own"]) == (8, own)
        assert 8 * learnt["repeats"] >= own
        hints = 8 if stage != "assistant" else 0
        assert figures["examples"] == 8 * learnt["repeats"] + own + hints
    assert read_record(run / "improve-0/assistant")["figures"]["examples"] == 16


def test_an_arm_of_fewer_rounds_shares_those_that_it_has(finished: Path) -> None:
    run = finished / "runs/tiny"
    own = {path.name for path in (run / "arms/once").iterdir()}
    assert own == {"assistant"}


def test_report_and_summary_say_what_each_round_brought(finished: Path) -> None:
    run = finished / "runs/tiny"
    summary = json.loads((run / "summary.json").read_text())
    assert [row["round"] for row in summary["improvement"]] == [1, 2]
    assert [row["round"] for row in summary["arms"]["once"]["improvement"]] == [1]
    page = Page.read(run / "report.html")
    start = next(at for at, row in enumerate(page.rows) if row and row[0] == "Round" and "Joined" in row)
    for number, row in enumerate(summary["improvement"], start=1):
        figures = read_record(run / f"improve-{number}/explain")["figures"]
        assert (row["joined"], row["joined_hinted"]) == (figures["joined"], figures["hinted"]["joined"])
        assert row["seconds"] > 0
        cells = page.rows[start + number]
        assert cells[0] == str(number)
        assert str(figures["joined"]) in cells
    assert "disagrees with gold" in page.text


def test_killed_in_the_middle_of_a_round_it_ends_with_the_same_bytes(
    finished: Path, tiny_base: Path, tmp_path: Path
) -> None:
    file, draw = write(tmp_path / "killed", improving(tiny_base)), random.Random(7)
    moments = [(f"tiny/{stage}", draw.random() * 2) for stage in STAGES[:-1]]
    assert killed(moments, "run", file, "--until", "assistant") > 1
    last = command("run", file, "--until", "assistant")
    assert last.returncode == 0, last.stderr
    for stage in STAGES:
        mine, whole = (digest_folder(folder / "runs/tiny" / stage) for folder in (tmp_path / "killed", finished))
        assert {k: v for k, v in mine.items() if k != "record.json"} == {
            k: v for k, v in whole.items() if k != "record.json"
        }


def explained(base: Path, root: Path, pool: list[Question], paid: list[Rationale], **more: Any) -> dict[str, Any]:
    """One round of explanations by an untuned base."""
    for name in ("data", "teach", "explain", "tuned"):
        (root / name).mkdir(parents=True, exist_ok=True)
    if not (root / "tuned" / artifacts.MODEL).exists():
        (root / "tuned" / artifacts.MODEL).symlink_to(base)
    write_rows(root / "data" / artifacts.TRAIN, Question, pool)
    write_rows(root / "teach" / artifacts.RATIONALES, Rationale, paid)
    held_out = more.pop("held_out", frozenset())
    chosen = Assistant.model_validate({"improve": {**IMPROVE, **more}})
    places = [root / name for name in ("data", "teach", "tuned")]
    return improve(chosen, *places, None, held_out, root / "explain", root / "scratch", Compute(), 3)


POOL = practice.make("legal", 12, 4, 0.0)


def test_a_shard_that_is_done_is_not_written_again(tiny_base: Path, tmp_path: Path) -> None:
    whole = explained(tiny_base, tmp_path / "whole", POOL, [], shard=4)
    shards = sorted((tmp_path / "whole/scratch").rglob("shard*"))
    assert len(shards) > 3, "three of all questions, and more of what was missed"
    place = tmp_path / "killed/scratch" / shards[0].parent.name
    place.mkdir(parents=True)
    left = place / shards[0].name
    left.write_bytes(shards[0].read_bytes())
    before = left.stat().st_mtime_ns
    assert explained(tiny_base, tmp_path / "killed", POOL, [], shard=4) == whole
    assert left.stat().st_mtime_ns == before
    one, other = (tmp_path / name / "explain" / artifacts.RATIONALES for name in ("whole", "killed"))
    assert one.read_bytes() == other.read_bytes()


def test_what_is_held_out_and_what_was_paid_is_not_explained(tiny_base: Path, tmp_path: Path) -> None:
    text = practice.explain(POOL[0], phrasing=0, error=False)
    row = Rationale(POOL[0].id, 0, EXPERT, text, read_answer(text, POOL[0]), True, "kept")
    dropped = replace(row, question_id=POOL[1].id, kept=False)
    held = frozenset(question.id for question in POOL[8:])
    figures = explained(tiny_base, tmp_path, POOL, [row, dropped], held_out=held)
    assert figures["asked"] == 7
    asked = {row.question_id for row in rationales(tmp_path, "explain")}
    assert asked == {question.id for question in POOL[1:8]}


def test_with_every_question_paid_there_is_nothing_to_explain(tiny_base: Path, tmp_path: Path) -> None:
    texts = [(q, practice.explain(q, phrasing=0, error=False)) for q in POOL]
    rows = [Rationale(q.id, 0, EXPERT, text, read_answer(text, q), True, "kept") for q, text in texts]
    figures = explained(tiny_base, tmp_path, POOL, rows)
    assert (figures["asked"], figures["right"], figures["right_unlearnt"]) == (0, None, None)
    assert rationales(tmp_path, "explain") == []


def test_without_gold_samples_have_to_agree_and_no_hint_is_given(tiny_base: Path, tmp_path: Path) -> None:
    pool = [replace(question, answer=None) for question in POOL]
    figures = explained(tiny_base, tmp_path, pool, [], samples=4, keep_best=4, agreement=0.7)
    assert (figures["right"], figures["hinted"]["asked"]) == (None, 0)
    rows = rationales(tmp_path, "explain")
    for question in pool:
        mine = [row for row in rows if row.question_id == question.id]
        for row in mine:
            agreeing = sum(other.answer == row.answer for other in mine)
            assert not row.kept or agreeing >= 3
    assert any(row.kept for row in rows)
    assert any(row.reason == "no majority of samples" for row in rows)


def test_a_hint_that_was_learnt_is_used(tiny_base: Path, tmp_path: Path) -> None:
    questions = [Question(f"q{n}", f"Is box {n} full?", "yes_no", answer="yes") for n in range(6)]
    model = load(str(tiny_base), Compute(), "base")
    learnt = [
        Example(prompts.local(prompts.hinted(question, "yes")), "It is said.\nAnswer: yes") for question in questions
    ]
    learnt += [Example(prompts.local(question), "I cannot see it.\nAnswer: unknown") for question in questions]
    fine_tune(model, learnt, Training(120, 6, 5e-3, 300, 1000, 0), tmp_path / "c", "t")
    model.save(tmp_path / "base")
    more = {"filters": ["correct"], "keep_best": None, "temperature": 0.1}
    figures = explained(tmp_path / "base", tmp_path / "r", questions, [], **more)
    assert (figures["joined"], figures["hinted"]["asked"]) == (0, 6)
    assert figures["hinted"]["joined"] == 6
    assert {row.author for row in kept(tmp_path / "r", "explain")} == {HINTED}
    assert explained(tmp_path / "base", tmp_path / "s", questions, [], hints=False, **more)["joined"] == 0
    assert len(rationales(tmp_path / "s", "explain")) == 2 * 6


def test_an_explanation_that_speaks_of_the_hint_is_told_from_one_that_does_not() -> None:
    question = prompts.hinted(Question("q", "Is it full?", "yes_no", answer="yes"), "yes")
    assert prompts.speaks_of_hint("The hint says that it is.\nAnswer: yes", question)
    assert prompts.speaks_of_hint("HINTED at above.", question)
    assert not prompts.speaks_of_hint("It is full of hinterland maps.\nAnswer: yes", question)
    own = prompts.hinted(Question("q", "Does the hint help?", "yes_no", answer="yes"), "yes")
    assert not prompts.speaks_of_hint("The hint helps.\nAnswer: yes", own)


def test_no_improvement_leaves_the_assistants_stage_as_it_was(tiny_base: Path, tmp_path: Path) -> None:
    plain = read_run(write(tmp_path, tree(tiny_base, arms={}))).run
    other = tree(tiny_base, arms={})
    other["assistant"] |= {"improve": {"samples": 7, "epochs": 9}}
    changed = read_run(write(tmp_path, other)).run
    found = [[(s.name, s.settings, s.inputs) for s in stages(run, "r", run.assistant)] for run in (plain, changed)]
    assert found[0] == found[1]
    assert not any(name.startswith("improve") for name, *_ in found[0])


def test_rounds_of_buying_tune_plain_assistants_and_their_test_is_never_learnt(tiny_base: Path, tmp_path: Path) -> None:
    made = improving(tiny_base, select={"rounds": 2, "held_out": 12})
    run = read_run(write(tmp_path, made)).run
    plan = {stage.name: stage for stage in stages(run, run.name, run.assistant)}
    assert "improve" not in plan["round-1/assistant"].settings
    assert plan["held-out"].inputs == ("data", "improve-0/assistant")
    done = command("run", write(tmp_path, made), "--until", "assistant")
    assert done.returncode == 0, done.stderr
    at = tmp_path / "runs/tiny"
    held = {row.question_id for row in artifacts.verdicts(at / "round-1/held-out")}
    assert len(held) == 12
    for number in (1, 2):
        assert not held & {row.question_id for row in rationales(at, f"improve-{number}/explain")}


def test_plan_counts_the_stages_and_their_time(tmp_path: Path) -> None:
    made = {
        "name": "r",
        "data": {"train": "practice:legal?n=300&seed=1", "test": "practice:legal?n=20&seed=2"},
        "budget": {"queries": 20},
        "teacher": {"provider": "expert"},
    }
    found = {}
    for name, learner in {
        "plain": {},
        "improved": {"improve": {"rounds": 2}},
        "tasks": {"levels": "tasks"},
        "staged": {"levels": "staged"},
    }.items():
        found[name] = forecast(read_run(write(tmp_path / name, {**made, "assistant": learner})))
    assert set(STAGES) <= set(found["improved"]["stage_seconds"])
    assert set(STAGES) <= set(found["improved"]["to_do"])
    assert found["improved"]["disk_bytes"] > found["plain"]["disk_bytes"]
    shares = {name: each["stage_seconds"] for name, each in found.items()}
    for name, each in shares.items():
        assert found[name]["seconds"] == pytest.approx(sum(each.values()), abs=1)
    relative = {name: {s: v / each["score"] for s, v in each.items()} for name, each in shares.items()}
    assert relative["improved"]["improve-2/explain"] > 3 * relative["improved"]["tutor"]
    assert relative["tasks"]["tutor"] > 1.5 * relative["plain"]["tutor"]
    assert relative["staged"]["assistant"] == pytest.approx(2 * relative["plain"]["assistant"], rel=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 3, "temperature": 0}, "all the same"),
        ({"keep_best": None}, "go together"),
        ({"agreement": 1}, "agreement"),
        ({"paid_share": 1}, "paid_share"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Assistant.model_validate({"improve": changes})
