"""Phases, orders and lengths of a student's curriculum."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_distill import artifacts, practice, prompts
from bridge_distill.answers import is_correct, read_answer
from bridge_distill.config import Compute, Student
from bridge_distill.errors import UserError
from bridge_distill.models.load import Model, load
from bridge_distill.models.train import Example, fine_tune
from bridge_distill.models.train.examples import encode
from bridge_distill.models.train.order import in_order
from bridge_distill.models.train.trainer import Training
from bridge_distill.records import ASSISTANT, EXPERT, Question, Rationale
from bridge_distill.student.contract import Materials, Phase, curriculum_phases, orders
from bridge_distill.student.course import Course
from bridge_distill.student.curriculum import check, identity, needs, phases_of
from bridge_distill.student.mixing import mixed
from bridge_distill.student.schedule import shares, steps_of

QUESTIONS = practice.make("legal", 8, 0, 0.0)


def rationale(question: Question, author: str, more: str = "") -> Rationale:
    text = more + practice.explain(question, phrasing=0, error=False)
    return Rationale(question.id, 0, author, text, question.answer, True, "kept")


PAID = [rationale(question, EXPERT) for question in QUESTIONS[:2]]
OWN = [rationale(question, ASSISTANT, "Let us see at some length what the question says. ") for question in QUESTIONS]
MATERIALS = Materials(QUESTIONS, PAID + OWN, [], lambda text: len(text.split()), 0)


def student(*curriculum: Any, **settings: Any) -> Student:
    return Student.model_validate({"curriculum": list(curriculum), **settings})


def made(phase: Any, materials: Materials = MATERIALS) -> list[Example]:
    return phases_of(student(phase))[0].examples(materials)


def lengths(settings: Student) -> list[int]:
    """The steps of each phase of a curriculum over ``MATERIALS``."""
    phases = phases_of(settings)
    examples = [len(phase.examples(MATERIALS)) for phase in phases]
    return [steps_of(settings, phases, examples, index, 10.0, []) for index in range(len(phases))]


def test_labels_are_gold_and_nothing_else_and_need_no_rationale() -> None:
    found = made("labels", replace(MATERIALS, rationales=[]))
    assert [example.prompt for example in found] == [prompts.local(question) for question in QUESTIONS]
    for example, question in zip(found, QUESTIONS, strict=True):
        assert is_correct(read_answer(example.completion, question), question)
        assert "\n" not in example.completion
    assert needs(student("instruct", "labels")) == frozenset()


def test_labels_without_gold_are_refused_and_unknown_ones_left_out() -> None:
    blind = [replace(question, answer=None) for question in QUESTIONS]
    with pytest.raises(UserError, match=r"student\.curriculum\.0: no question has a gold answer"):
        made("labels", replace(MATERIALS, questions=blind))
    assert len(made("labels", replace(MATERIALS, questions=[QUESTIONS[0], *blind[1:]]))) == 1


def test_the_answer_stands_first_where_the_label_comes_before_its_rationale() -> None:
    for example, row in zip(made("label_after"), MATERIALS.rationales, strict=True):
        question = next(each for each in QUESTIONS if each.id == row.question_id)
        first, *rest = example.completion.splitlines()
        assert read_answer(first, question) == row.answer
        assert read_answer(example.completion, question) == row.answer
        assert rest, "the rationale follows"


def test_an_explanation_that_speaks_of_an_answer_cannot_hide_the_label() -> None:
    text = prompts.completion("First guess.\nAnswer: no\nBut it is not so.", "yes")
    turned = prompts.answer_first(text, "yes")
    question = Question("q", "Is it?", "yes_no")
    assert read_answer(turned, question) == "yes"
    assert "But it is not so." in turned


def test_healing_reads_every_question_and_every_rationale_as_plain_text() -> None:
    found = made("heal")
    assert all(example.prompt is None for example in found)
    for row in MATERIALS.rationales:
        assert any(row.text in example.completion for example in found)
    for question in QUESTIONS:
        assert any(prompts.body(question) in example.completion for example in found)
    assert [example.completion for example in made("heal", replace(MATERIALS, rationales=[]))] == [
        prompts.body(question) for question in QUESTIONS
    ]


def test_paid_rationales_are_seen_as_often_as_asked() -> None:
    paid = {row.text for row in PAID}

    def share(value: float) -> tuple[float, set[str]]:
        texts = [example.completion for example in made({"phase": "rationales", "paid_share": value})]
        return sum(text in paid for text in texts) / len(texts), set(texts)

    everything = {row.text for row in MATERIALS.rationales}
    assert share(0.5) == (0.5, everything)
    assert share(0.1)[0] == pytest.approx(0.1, abs=0.02)
    assert share(0) == (0, everything - paid)
    assert share(1) == (1, paid)
    with pytest.raises(UserError, match=r"student\.curriculum\.0\.paid_share: 0 leaves out every kept rationale"):
        made({"phase": "rationales", "paid_share": 0}, replace(MATERIALS, rationales=PAID))


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.05, 0.95))
def test_a_mixture_has_every_row_and_the_share_that_was_asked(one: int, other: int, share: float) -> None:
    first, second = [f"a{i}" for i in range(one)], [f"b{i}" for i in range(other)]
    found = mixed(first, second, share)
    assert set(found) == {*first, *second}
    counts = [found.count(row) for row in first], [found.count(row) for row in second]
    assert all(max(kind) - min(kind) <= 1 for kind in counts)
    assert sum(counts[0]) == pytest.approx(share * len(found), abs=1)


def test_long_rationales_are_mixed_in_at_their_share() -> None:
    long = {row.text for row in OWN}
    between = max(MATERIALS.tokens(row.text) for row in PAID)
    rows = [*PAID, *(row for row in OWN if MATERIALS.tokens(row.text) > between)]
    found = made({"phase": "mix", "long_share": 0.25, "long_tokens": between}, replace(MATERIALS, rationales=rows))
    assert sum(example.completion in long for example in found) / len(found) == pytest.approx(0.25, abs=0.03)
    assert {example.completion for example in found} == {row.text for row in rows}


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_two_tasks_have_the_parts_of_the_loss_that_were_asked(share: float) -> None:
    found = made({"phase": "multi_task", "rationale_weight": share})
    weights = [(MATERIALS.tokens(one.completion) + 1) * (one.parts or (("", 1.0),))[0][1] for one in found]
    sizes = [MATERIALS.tokens(str(one.prompt)) + MATERIALS.tokens(one.completion) for one in found]
    steps = np.array(in_order(sizes, 400, 4, 0)).reshape(-1, 4)
    explained = np.array([not one.parts for one in found]) * weights
    # A step's loss is the mean by the weights of its own tokens, and rows of like length meet in it.
    parts = explained[steps].sum(1) / np.array(weights)[steps].sum(1)
    assert parts.mean() == pytest.approx(share, abs=0.05)
    tested = {prompts.local(question) for question in QUESTIONS}
    for example in found:
        assert (example.prompt in tested) == (read_answer(example.completion, QUESTIONS[0]) is not None)


def test_a_phase_that_takes_no_rationale_makes_the_student_depend_on_none() -> None:
    assert needs(student("instruct", "rationales")) == {"rationales"}
    assert all(
        set(curriculum_phases.get(name, "").needs) <= {"rationales", "assistant"} for name in curriculum_phases.names()
    )


def test_a_phase_that_learns_from_an_assistant_is_refused_without_one() -> None:
    class Listening(Phase[Any]):
        needs = frozenset({"assistant"})

        def examples(self, materials: Materials) -> list[Example]:
            return []

    curriculum_phases.register("listening")(Listening)
    try:
        check(student("listening"), with_assistant=True)
        with pytest.raises(UserError, match=r"student\.curriculum\.0: the phase listening learns from an assistant"):
            check(student("listening"), with_assistant=False)
    finally:
        del curriculum_phases._members["listening"]


def test_a_student_that_is_held_in_parts_is_not_asked_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    check(student("rationales", "on_policy"), with_assistant=True)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    check(student("rationales", "distil"), with_assistant=True)
    with pytest.raises(UserError, match=r"student\.curriculum\.1: in the phase on_policy the student writes.*FSDP"):
        check(student("rationales", "on_policy"), with_assistant=True)


BAD: list[tuple[list[Any], str]] = [
    (["ration"], "0: unknown curriculum phase 'ration'"),
    (["labels", {"phase": "heal", "order": "easy"}], "1.order: unknown order 'easy'; did you mean 'easy_first'"),
    ([{"phase": "rationales", "paid": 1}], "0.paid: is no option of the phase rationales; did you mean 'paid_share'"),
    ([{"phase": "rationales", "paid_share": 2}], "0.paid_share: input should be less than or equal to 1"),
    ([{"phase": "labels", "share": 0.5}], " shares add up to 0.5"),
    ([{"phase": "labels", "share": 1}, "heal"], " shares add up to 1 and leave nothing"),
]


@pytest.mark.parametrize(("curriculum", "sentence"), BAD)
def test_a_bad_curriculum_is_refused_in_one_sentence(curriculum: list[Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        check(student(*curriculum), with_assistant=True)
    said = str(caught.value)
    assert said.startswith("student.curriculum")
    assert sentence in said
    assert "\n" not in said


def test_options_left_out_and_written_at_their_default_are_the_same_student() -> None:
    assert identity(student("mix")) == identity(student({"phase": "mix", "long_share": 0.2}))
    assert identity(student("mix")) != identity(student({"phase": "mix", "long_share": 0.3}))


def test_a_student_is_decided_by_what_its_instruction_file_holds(tmp_path: Path) -> None:
    def found(name: str, reply: str) -> dict[str, Any]:
        path = tmp_path / name
        path.write_text(json.dumps({"prompt": "Why?", "answer": reply}))
        return identity(student("instruct", instructions=str(path)))

    assert found("one", "Because.") == found("other", "Because.")
    assert found("one", "Because.") != found("one", "For no reason.")
    assert found("one", "Because.") != identity(student("instruct"))


def test_a_missing_instruction_file_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    settings = student("instruct", "labels", instructions=str(tmp_path / "none.jsonl"))
    for ask in (lambda: check(settings, with_assistant=False), lambda: identity(settings)):
        with pytest.raises(UserError, match=r"student\.instructions: .*none\.jsonl cannot be read"):
            ask()


def test_a_curriculum_reads_back_as_it_is_told() -> None:
    settings = student("instruct", {"phase": "mix", "order": "short_first", "share": 0.5, "long_share": 0.3})
    told = settings.model_dump(mode="json")
    assert told["curriculum"][1]["long_share"] == 0.3
    assert Student.model_validate(told) == settings


def test_phases_split_the_students_length_and_their_own_comes_on_top() -> None:
    assert lengths(student("instruct", "rationales", steps=100)) == [20, 80]
    assert lengths(student("heal", "instruct", "rationales", steps=100, warm_up=0.5)) == [25, 25, 50]
    assert lengths(student({"phase": "instruct", "share": 0.1}, "rationales", steps=100)) == [10, 90]
    assert lengths(student({"phase": "heal", "steps": 7}, "rationales", steps=100)) == [7, 100]
    assert lengths(student({"phase": "labels", "epochs": 2}, batch=4)) == [4]
    assert lengths(student("rationales", epochs=2, batch=4)) == [5]


def test_a_phase_makes_good_what_those_before_read_too_much_of_a_budget_of_tokens() -> None:
    def steps(settings: Student, index: int, *spent: int) -> int:
        phases = phases_of(settings)
        return steps_of(settings, phases, [20] * len(phases), index, 10.0, spent)

    plain = student("instruct", "rationales", tokens=1000, batch=4)
    assert steps(plain, 0) == 5
    assert steps(plain, 1, 200) == 20
    assert steps(plain, 1, 600) == 10
    assert steps(plain, 1, 5000) == 1
    on_top = student({"phase": "heal", "steps": 9}, "rationales", tokens=1000, batch=4)
    assert (steps(on_top, 0), steps(on_top, 1, 360)) == (9, 25)


@given(st.lists(st.sampled_from(["heal", "instruct", "rationales", "labels"]), min_size=1), st.floats(0.05, 0.99))
def test_shares_of_a_curriculum_add_up(names: list[str], warm_up: float) -> None:
    settings = student(*names, warm_up=warm_up)
    found = shares(settings, phases_of(settings))
    assert sum(share or 0 for share in found) == pytest.approx(1)


def test_a_warm_up_that_leaves_nothing_to_the_task_is_refused() -> None:
    for length in ({"tokens": 1000}, {"steps": 100}):
        with pytest.raises(UserError, match=r"^student\.warm_up: 1 leaves nothing to the phases that teach the task"):
            check(student("instruct", "labels", warm_up=1, **length), with_assistant=False)
        for alone in ("instruct", "labels"):
            check(student(alone, warm_up=1, **length), with_assistant=False)


@pytest.fixture(scope="module")
def tiny(tiny_base: Path) -> Model:
    return load(str(tiny_base), Compute(), "base")


EXAMPLES = [Example(prompts.local(each), practice.explain(each, phrasing=0, error=False)) for each in QUESTIONS]


@pytest.mark.parametrize("name", orders.names())
def test_an_order_goes_through_every_example_once(name: str, tiny: Model) -> None:
    found = orders.get(name, "")(tiny, encode(tiny, EXAMPLES, 400), Compute())
    assert found is None or sorted(found) == list(range(len(EXAMPLES)))


def test_short_examples_come_first(tiny: Model) -> None:
    rows = encode(tiny, EXAMPLES, 400)
    found = orders.get("short_first", "")(tiny, rows, Compute())
    assert found is not None
    sizes = [len(rows[at].ids) for at in found]
    assert sizes == sorted(sizes)


def test_what_the_student_knows_comes_before_what_it_does_not(tiny: Model) -> None:
    strange = [Example(prompts.local(QUESTIONS[0]), "qzx vvk 77 ## jjw"), Example(None, "@@ %% ^^ zzq")]
    found = orders.get("easy_first", "")(tiny, encode(tiny, [*strange, *EXAMPLES], 400), Compute(batch_tokens=300))
    assert found is not None
    assert set(found[-2:]) == {0, 1}


def test_easy_first_is_the_order_of_the_losses_that_training_has(tiny: Model, tmp_path: Path) -> None:
    found = orders.get("easy_first", "")(tiny, encode(tiny, EXAMPLES, 400), Compute())
    plan = Training(1, 1, 1e-12, 400, 10, 0)
    losses = [
        fine_tune(tiny, [example], plan, tmp_path / str(place), "one").losses[0][1]
        for place, example in enumerate(EXAMPLES)
    ]
    assert found == sorted(range(len(EXAMPLES)), key=lambda at: losses[at])


class Reader:
    """A tokenizer that counts how often it reads each text."""

    def __init__(self, whole: Any) -> None:
        self.whole = whole
        self.read: Counter[str] = Counter()

    def __call__(self, text: str, **more: Any) -> Any:
        self.read[text] += 1
        return self.whole(text, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["whole"], name)


@pytest.mark.parametrize("phase", ["rationales", "distil"])
def test_a_phase_tokenises_each_text_once(phase: str, tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / artifacts.MODEL).symlink_to(tiny_base)
    model, settings = load(str(tiny_base), Compute(), "base"), student({"phase": phase}, steps=2, batch=2)
    reader = model.tokenizer = Reader(model.tokenizer)
    phases = phases_of(settings)
    course = Course(settings, phases, model, tmp_path, tmp_path / "scratch", Compute(), 0)
    examples = [phases[0].examples(MATERIALS)]
    done = phases[0].teach(model, course.lesson(0, examples, []))
    assert (done.steps, done.examples) == (2, len(examples[0]))
    assert {reader.read[example.completion] for example in examples[0]} == {1}
