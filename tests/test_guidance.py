"""Guides: what each intervention does to a reply, how often, and that none of them knows what is right."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import settings as trial
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge_distill import artifacts, practice, prompts
from bridge_distill.config import Compute, Evaluate, Guide, Run, Tutor, Vote
from bridge_distill.engine.progress import Tick, unseen
from bridge_distill.errors import UserError
from bridge_distill.evaluation import grade
from bridge_distill.guidance import ACTS, Answered, Guidance, Traced, answer, explain, make_plans, relative_cost
from bridge_distill.models.generator import Asked, Decoding, Generation, Generator, open_generator
from bridge_distill.pipeline import execute
from bridge_distill.records import Question
from bridge_distill.runfile import read_run
from scripted import Script, Scripted
from tiny import command, tree, write

APPLES = Question("q", "How many are 3 boxes of 12?", "number", answer="36")
QUESTIONS = [Question(f"q{n}", f"Is {n} even?", "yes_no", answer="yes" if n % 2 == 0 else "no") for n in range(9)]
WORDS = st.lists(st.sampled_from(["so", "it", "is", "even", "3 + 4 = 8.", "3 + 4 = 7.", "\n"]), max_size=30).map(
    " ".join
)
ENDS = st.sampled_from(["", "\nAnswer: yes", "\nAnswer: no\nand more", " Answer:"])
GUIDES = st.builds(
    lambda low, span, **more: Guide(floor=low, ceiling=None if span is None else max(low + span, 1), **more),
    st.integers(0, 20),
    st.none() | st.integers(0, 20),
    cues=st.integers(1, 3),
    retries=st.just(2),
    state_results=st.booleans(),
)


def guide(**settings: Any) -> Guide:
    return Guide.model_validate(settings)


def one(script: Script, settings: Guide, question: Question = APPLES, **more: Any) -> Answered:
    [found] = answer(Scripted(script), [question], settings, **more)
    return found


def thought(text: str) -> int:
    """Words of a reply's explanation."""
    return Scripted(lambda prompt, begun, draw: "").count(prompts.explanation(text))


def test_without_interventions_a_reply_is_what_the_model_writes() -> None:
    found = one(lambda prompt, begun, draw: "3 x 12 = 38\nAnswer: 38", guide())
    assert replace(found, log_probability=0.0) == Answered("3 x 12 = 38\nAnswer: 38", "38", 7, True, 0.0, 1.0, ())


def test_below_the_floor_the_answer_is_taken_back_and_the_cue_given() -> None:
    def script(prompt: str, begun: str, draw: float) -> str:
        return " that makes 36.\nAnswer: 36" if begun else "It is 38.\nAnswer: 38"

    found = one(script, guide(floor=5))
    assert found.text == "It is 38.\nWait, that makes 36.\nAnswer: 36"
    assert (found.answer, found.tokens, found.acts) == ("36", 10, ("cue",))
    assert one(script, guide(floor=3)).acts == ()


def test_the_cue_is_given_at_most_as_often_as_said() -> None:
    found = one(lambda prompt, begun, draw: "\nAnswer: 36", guide(floor=50, cue="Hm.", cues=3))
    assert found.text == "Hm.\nHm.\nHm.\nAnswer: 36"
    assert found.acts == ("cue",) * 3


def test_an_answer_that_was_taken_back_is_given_again_where_room_ends() -> None:
    def script(prompt: str, begun: str, draw: float) -> str:
        if not begun:
            return "It is 36.\nAnswer: 36"
        return " 36" if begun.endswith("\nAnswer:") else " and" * 40

    found = one(script, guide(floor=10), max_new_tokens=20)
    assert (found.answer, found.finished, found.acts) == ("36", True, ("cue", "answer"))


def test_at_the_ceiling_the_answer_alone_is_written() -> None:
    def script(prompt: str, begun: str, draw: float) -> str:
        return " 36\nand so on" if begun.endswith("\nAnswer:") else "well " * 40

    found = one(script, guide(ceiling=6))
    assert found.text == "well well well well well well\nAnswer: 36"
    assert (found.answer, found.finished, found.tokens, found.acts) == ("36", True, 7, ("answer",))
    assert not one(script, guide(), max_new_tokens=6).finished


@pytest.mark.parametrize("cut", [" Answer", "\nAnswer:", "\nAnswer: 3"])
def test_an_answer_that_the_ceiling_cuts_off_is_begun_anew(cut: str) -> None:
    [found] = answer(Cut(f"It is 36.{cut}"), [APPLES], guide(ceiling=5))
    assert found.text == f"It is 36.{cut if cut[0] == ' ' else ''}\nAnswer: 36"


def test_a_failed_step_goes_on_from_the_right_result() -> None:
    def script(prompt: str, begun: str, draw: float) -> str:
        return " apples.\nAnswer: 36" if begun.endswith("= 36") else "Yes: 3 x 12 = 38 apples.\nAnswer: 38"

    found = one(script, guide(retries=1, state_results=True))
    assert found.text == "Yes: 3 x 12 = 36 apples.\nAnswer: 36"
    assert found.acts == ("result",)


def test_a_failed_step_is_drawn_again_from_where_it_begins() -> None:
    generator = Scripted(
        lambda prompt, begun, draw: " 3 x 12 = 36.\nAnswer: 36" if draw else "First, 3.\n2. 3 x 12 = 38.\nAnswer: 38"
    )
    [found] = answer(generator, [APPLES], guide(retries=2, retry_temperature=0.4))
    assert found.text == "First, 3.\n2. 3 x 12 = 36.\nAnswer: 36"
    assert found.acts == ("retry",)
    assert [decoding.temperature for decoding in generator.decodings] == [0, 0.4]


def test_a_step_that_goes_on_failing_is_left_after_the_last_retry() -> None:
    found = one(lambda prompt, begun, draw: "3 x 12 = 38.\nAnswer: 38", guide(retries=3))
    assert found.acts == ("retry",) * 3
    assert found.answer == "38"


def test_what_divides_by_zero_is_drawn_again_where_results_are_stated() -> None:
    found = one(lambda prompt, begun, draw: "5 / 0 = 1.\nAnswer: 1", guide(retries=1, state_results=True))
    assert found.acts == ("retry",)


@trial(max_examples=40, deadline=None)
@given(WORDS, WORDS, ENDS, ENDS, GUIDES, st.integers(1, 40))
def test_the_ceiling_is_never_passed_and_the_floor_is_reached_or_cues_are_used_up(
    before: str, after: str, end: str, last: str, settings: Guide, limit: int
) -> None:
    def script(prompt: str, begun: str, draw: float) -> str:
        if begun.endswith("Answer:"):
            return " yes"
        return f" {after}{last}" if begun else f"{before}{end}"

    [[draft]] = explain(Scripted(script), [QUESTIONS[0]], settings, Decoding(limit), 0)
    most = settings.ceiling or limit
    assert draft.thought <= most
    assert thought(draft.text) <= most
    assert draft.acts.count("cue") <= settings.cues
    assert draft.acts.count("retry") + draft.acts.count("result") <= settings.retries
    assert draft.acts.count("answer") <= 1
    if settings.ceiling is not None:
        assert draft.finished
    if draft.finished and not draft.answered and thought(draft.own) < settings.floor:
        cued = thought(draft.own) + Scripted(script).count(settings.cue)
        assert draft.acts.count("cue") == settings.cues or cued >= most


@trial(max_examples=40, deadline=None)
@given(WORDS, ENDS, st.booleans())
def test_a_finished_reply_under_verification_has_no_failed_step_unless_retries_are_used_up(
    text: str, end: str, state: bool
) -> None:
    settings = guide(retries=3, state_results=state)
    [[draft]] = explain(Scripted(lambda p, begun, draw: f"{text}{end}"), [QUESTIONS[0]], settings, Decoding(500), 0)
    if "3 + 4 = 8." in draft.text:
        assert draft.acts.count("retry") + draft.acts.count("result") == 3


class Cut(Generator):
    """Writes one text, which its limit cuts off, and after an answer mark the answer."""

    def __init__(self, text: str) -> None:
        self._text = text

    def write(
        self,
        asked: Sequence[Asked],
        decoding: Decoding,
        seed: int,
        tick: Tick = unseen,
        positions: Sequence[int] | None = None,
    ) -> list[list[Generation]]:
        """The same for all."""
        begun = asked[0].begun.endswith("\nAnswer:")
        made = (" 36", 1, True) if begun else (self._text, decoding.max_new_tokens, False)
        return [[Generation(*made, -0.1, np.nan, np.nan)] for _ in asked]

    def count(self, text: str) -> int:
        """The number of words."""
        return len(text.split())


class Ballots(Generator):
    """Gives each question the same samples, in the order in which they are handed in."""

    def __init__(self, samples: Sequence[tuple[str, float]]) -> None:
        self._made = [Generation(text, 3, True, sure, np.nan, np.nan) for text, sure in samples]

    def write(
        self,
        asked: Sequence[Asked],
        decoding: Decoding,
        seed: int,
        tick: Tick = unseen,
        positions: Sequence[int] | None = None,
    ) -> list[list[Generation]]:
        """The samples, whatever is asked."""
        return [list(self._made) for _ in asked]

    def count(self, text: str) -> int:
        """The number of words."""
        return len(text.split())


SAMPLES = st.lists(
    st.tuples(st.sampled_from(["Answer: yes", "Answer: no", "no idea", "so\nAnswer: no"]), st.floats(-3, 0)),
    min_size=2,
    max_size=7,
)


@trial(max_examples=40, deadline=None)
@given(SAMPLES, st.randoms(use_true_random=False), st.booleans())
def test_a_vote_does_not_depend_on_the_order_of_the_samples(
    samples: list[tuple[str, float]], draw: Any, weighted: bool
) -> None:
    settings = guide(vote={"samples": len(samples), "weighted": weighted})
    [found] = answer(Ballots(samples), QUESTIONS[:1], settings)
    mixed = draw.sample(samples, len(samples))
    [again] = answer(Ballots(mixed), QUESTIONS[:1], settings)
    assert replace(again, acts=()) == replace(found, acts=())
    assert found.tokens == 3 * len(samples)


def test_most_votes_win_and_weights_may_turn_them() -> None:
    samples = [("Answer: no", -2.0), ("Answer: no", -2.5), ("Answer: yes", -0.1)]
    [plain] = answer(Ballots(samples), QUESTIONS[:1], guide(vote={"samples": 3}))
    assert (plain.answer, plain.agreement, plain.acts) == ("no", 2 / 3, ())
    [weighted] = answer(Ballots(samples), QUESTIONS[:1], guide(vote={"samples": 3, "weighted": True}))
    assert (weighted.answer, weighted.acts) == ("yes", ("vote",))
    [same] = answer(Ballots([("Answer: yes", -2.0), ("Answer: Yes.", -0.1)]), QUESTIONS[:1], guide(vote={"samples": 2}))
    assert (same.agreement, same.acts) == (1.0, ())
    [nobody] = answer(Ballots([("a", -1.0), ("b", -0.5)]), QUESTIONS[:1], guide(vote={"samples": 2}))
    assert (nobody.answer, nobody.text, nobody.agreement) == (None, "b", 0.0)


NO = ("no", "yes")


def drawn(prompt: str, begun: str, draw: float) -> str:
    """Fails or answers at once by the draw, so that every intervention acts on some samples and not on others."""
    if begun.endswith("Answer:"):
        return " yes" if draw < 0.5 else " no"
    return f"Draw {draw:.9f}. 3 + 4 = {7 if draw < 0.5 else 8}. {'so ' * int(20 * draw)}\nAnswer: {NO[draw < 0.4]}"


ALL = guide(floor=6, ceiling=14, retries=2, vote={"samples": 3})


@trial(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(0, 5))
def test_parts_of_a_list_are_answered_as_the_whole_is(size: int, seed: int) -> None:
    whole = answer(Scripted(drawn), QUESTIONS, ALL, seed=seed)
    parts = [
        answer(Scripted(drawn), QUESTIONS[at : at + size], ALL, seed=seed, first=at)
        for at in range(0, len(QUESTIONS), size)
    ]
    assert [one for part in parts for one in part] == whole
    assert {act for one in whole for act in one.acts} >= {"answer", "retry"}


def test_drafts_that_are_drawn_again_share_a_batch_wherever_they_stand() -> None:
    def script(prompt: str, begun: str, draw: float) -> str:
        wrong = not draw and int(prompt.split()[1]) % 2
        return f"3 + 4 = {8 if wrong else 7}.\nAnswer: yes"

    generator = Scripted(script)
    found = answer(generator, QUESTIONS, guide(retries=1))
    assert [len(one.acts) for one in found] == [0, 1] * 4 + [0]
    assert len(generator.decodings) == 2


@trial(max_examples=15, deadline=None)
@given(
    st.sampled_from(["yes", "no"]),
    st.none() | st.text(max_size=20),
    st.none() | st.text(max_size=20),
    st.floats(0, 1),
)
def test_a_guide_never_sees_the_gold_answer(gold: str, rationale: str | None, said: str | None, low: float) -> None:
    bare = [replace(question, answer=None) for question in QUESTIONS]
    told = [
        replace(question, answer=gold, recorded_rationale=rationale, recorded_answer=said, low=low, high=low + 1)
        for question in QUESTIONS
    ]
    plans = make_plans("nearest", [Traced(bare[0], "Look at the last digit.", 0)], lambda texts, seed: [0], 0)
    settings = ALL.model_copy(update={"strategy": "nearest"})
    blind, seeing = Scripted(drawn), Scripted(drawn)
    assert answer(blind, bare, settings, plans=plans) == answer(seeing, told, settings, plans=plans)
    assert blind.asked == seeing.asked


def traced(text: str, strategy: str, row: int) -> Traced:
    return Traced(Question(f"p{row}", text, "yes_no"), strategy, row)


PAID = [
    traced("Is the number 12 even?", "Look at the last digit.", 0),
    traced("Is the number 15 even?", "Look at the last digit.", 1),
    traced("Is the number 19 even?", "Divide it.", 2),
    traced("May Mr. Cole sue in this court?", "Compare the states.", 3),
]


def of_two_kinds(texts: Sequence[str], seed: int) -> list[int]:
    return [int("court" in text) for text in texts]


def test_the_nearest_strategy_is_that_of_the_question_with_most_words_in_common() -> None:
    plans = make_plans("nearest", PAID, of_two_kinds, 0)
    asked = [Question("a", "May Ms. Dune sue in a court?", "yes_no"), Question("b", "Is the number 7 odd?", "yes_no")]
    assert plans(asked, 0) == ["Compare the states.", "Look at the last digit."]


def test_the_nearest_strategy_is_by_vectors_where_there_are_some() -> None:
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [-1, 0], [0.1, 2], [-3, 1]], dtype=np.float32)
    plans = make_plans("nearest", PAID, of_two_kinds, 0, vectors)
    assert plans(QUESTIONS[:2], 4) == ["Divide it.", "Compare the states."]


def test_the_strategy_of_a_kind_is_its_commonest() -> None:
    plans = make_plans("cluster", PAID, of_two_kinds, 0)
    assert plans([Question("a", "Is the number 19 even, or not?", "yes_no")], 0) == ["Look at the last digit."]


def test_a_strategy_is_given_before_the_model_writes() -> None:
    generator = Scripted(lambda prompt, begun, draw: "1. It is 2.\nAnswer: yes")
    plans = make_plans("nearest", PAID, of_two_kinds, 0)
    [found] = answer(generator, QUESTIONS[:1], guide(strategy="nearest", floor=2), plans=plans)
    assert found.text == "Strategy: Look at the last digit.\n1. It is 2.\nAnswer: yes"
    assert generator.asked == [Asked(prompts.local(QUESTIONS[0]), "Strategy: Look at the last digit.\n")]
    assert (found.tokens, found.acts) == (6, ("strategy",))


def test_a_strategy_without_plans_is_refused() -> None:
    with pytest.raises(UserError, match=r"guide\.strategy: nearest strategies are to be given"):
        one(lambda prompt, begun, draw: "", guide(strategy="nearest"))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"floor": 9, "ceiling": 8}, "floor 9 is above ceiling 8"),
        ({"state_results": True}, "state_results needs retries"),
        ({"cue": " "}, "cue"),
        ({"vote": {"samples": 1}}, "samples"),
        ({"vote": {"temperature": 0}}, "temperature"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        guide(**settings)


def test_a_guide_that_cannot_be_used_where_it_stands_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"guide\.vote picks one answer"):
        Tutor.model_validate({"guide": {"vote": {}}})
    with pytest.raises(ValidationError, match="plain answers of 'student'"):
        Evaluate.model_validate({"models": ["base"], "guides": {"long": {"floor": 20}}})


def test_guides_that_are_off_leave_the_identity_of_older_runs() -> None:
    assert "guide" not in Tutor().identity()
    assert not {"guide", "guides", "guided"} & Evaluate().identity().keys()


def test_a_model_is_guided_as_a_script_is(tiny_base: Path) -> None:
    generator = open_generator(str(tiny_base), Compute(), "base")
    questions = practice.make("legal", 6, 9, 0.0)
    settings = guide(floor=12, ceiling=20, cues=1, answer_tokens=4, vote={"samples": 2})
    whole = answer(generator, questions, settings, seed=4)
    assert [one.answer for one in whole] == [one.answer for one in answer(generator, questions, settings, seed=4)]
    halves = [answer(generator, questions[at : at + 3], settings, seed=4, first=at) for at in (0, 3)]
    assert [one.text for half in halves for one in half] == [one.text for one in whole]
    acts = {act for one in whole for act in one.acts}
    assert "answer" in acts
    assert all(one.tokens <= 2 * (20 + 20 + 4) for one in whole)
    drafts = explain(generator, questions, settings, Decoding(160, 0.7, 2), 4)
    assert all(one.text in [draft.text for draft in samples] for one, samples in zip(whole, drafts, strict=True))
    assert all(draft.thought <= 20 for samples in drafts for draft in samples)
    greedy = answer(generator, questions, guide(floor=12, ceiling=20))
    assert all(generator.count(prompts.explanation(one.text)) <= 20 for one in greedy)


def test_interventions_are_counted_over_a_kill(tiny_base: Path, tmp_path: Path) -> None:
    questions = practice.make("legal", 6, 9, 0.0)
    guidance = Guidance(guide(floor=70, cues=1, ceiling=80), None, 0)
    settings = Evaluate(shard=2)

    def tested(name: str, asked: Sequence[Question] = questions) -> dict[str, Any]:
        folder, scratch = tmp_path / name, tmp_path / f"{name}-shards"
        for made in (folder, scratch):
            made.mkdir(exist_ok=True)
        return grade(settings, "base", str(tiny_base), asked, folder, scratch, Compute(), "joint", guidance)

    whole = tested("whole")
    assert sum(whole["acts"].values()) > 0
    tested("killed", questions[:4])
    assert tested("killed") == whole
    assert artifacts.verdicts(tmp_path / "killed") == artifacts.verdicts(tmp_path / "whole")
    assert Counter(act for row in artifacts.verdicts(tmp_path / "whole") for act in row.acts or []) == Counter(
        {act: number for act, number in whole["acts"].items() if number}
    )


def test_a_run_guides_its_tutor_and_tests_its_guides_beside_the_plain_student(tiny_base: Path, tmp_path: Path) -> None:
    made = tree(tiny_base, arms={})
    made["teacher"]["trace"] = "hierarchical"
    made["tutor"]["guide"] = {"strategy": "nearest", "ceiling": 30}
    guides = {"long": {"floor": 30}, "short": {"ceiling": 8, "strategy": "cluster"}, "vote": {"vote": {"samples": 2}}}
    made["evaluate"] |= {"guides": guides, "models": ["student"]}
    path = write(tmp_path, made)
    done = command("run", path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs/tiny"
    tutored = json.loads((run / "tutor/record.json").read_text())["figures"]
    assert tutored["acts"]["strategy"] == 40
    taught = {row.strategy for row in artifacts.rationales(run / "teach")}
    given = [row.text.split("\n")[0].removeprefix("Strategy: ") for row in artifacts.rationales(run / "tutor")]
    assert set(given) <= taught
    plain, *tested = json.loads((run / "summary.json").read_text())["guides"]["answers"]
    assert [row["name"] for row in tested] == ["long", "short", "vote"]
    assert plain["name"] is None
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in (plain, *tested))
    assert tested[1]["acts"]["strategy"] == 12
    assert {row["difference"]["n"] for row in tested} == {12}
    assert "What guidance while it writes brings" in (run / "report.html").read_text()
    again = command("run", path, "--set", "evaluate.guides.long.floor=31")
    assert again.returncode == 2
    assert "tiny/guide/long: was made with other settings (guide.floor was 30, now 31)" in again.stderr


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"evaluate": {"guide": {"strategy": "nearest"}}}, "evaluate.guide.strategy: nearest gives strategies"),
        ({"evaluate": {"guides": {"a": {"strategy": "cluster"}}}}, "evaluate.guides.a.strategy: cluster gives"),
        ({"evaluate": {"guide": {"floor": 60}}}, "evaluate.guide.floor: 60 leaves no room within 60 tokens"),
        (
            {"tutor": {"guide": {"floor": 9}}, "assistant": {"levels": "tasks"}, "teacher": {"trace": "hierarchical"}},
            "tutor.guide: guides an assistant that is asked level by level",
        ),
    ],
)
def test_a_guide_that_cannot_work_in_a_run_is_refused_before_anything_is_paid(
    tiny_base: Path, tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    made = tree(tiny_base, arms={})
    path = write(tmp_path, made | {key: made[key] | value for key, value in changes.items()})
    with pytest.raises(UserError, match=problem):
        execute(read_run(path), [], None, "test")
    assert not (tmp_path / "runs").exists()


PAGE = (Path(__file__).parent.parent / "docs/guidance.md").read_text(encoding="utf-8")


def test_the_page_names_every_setting_and_intervention_and_its_examples_work(
    tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert named >= {*Guide.model_fields, *Vote.model_fields, *ACTS}
    whole = {"name": "r", "data": {"train": "a.jsonl", "test": "b.jsonl"}, "budget": {"queries": 5}}
    [example] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    run = Run.model_validate({**whole, **yaml.safe_load(example)})
    assert run.evaluate.guides
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code.replace("runs/legal/student/model", str(tiny_base)), {})
    assert capsys.readouterr().out.strip()


def test_what_a_guide_costs_is_told_beforehand() -> None:
    assert relative_cost(None, 100, 50) == relative_cost(guide(), 100, 50) == 1
    assert relative_cost(guide(vote={"samples": 5}), 100, 50) == (100 + 5 * 50) / 150
    assert relative_cost(guide(floor=80), 100, 50) == 180 / 150
    assert relative_cost(guide(ceiling=20), 100, 50) == 120 / 150
