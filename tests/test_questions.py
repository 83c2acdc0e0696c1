"""New questions: read back as the pool's are, near no test question, believed on agreement, their noise measured."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge_distill import artifacts, practice, prompts
from bridge_distill.assistant.contract import Sample
from bridge_distill.assistant.likeness import Crowd, jaccard, shingles
from bridge_distill.assistant.questions import answer_questions, panel, tune_writer, write_questions
from bridge_distill.assistant.questions.answer import settle
from bridge_distill.assistant.questions.guard import wording
from bridge_distill.assistant.questions.manner import kind_of, read
from bridge_distill.config import Assistant, Compute, Questions, Shrink, Tutor
from bridge_distill.engine.progress import Tick, unseen
from bridge_distill.engine.rows import iterate_rows, read_rows, write_rows
from bridge_distill.errors import UserError
from bridge_distill.models.generator import Asked, Decoding, Generation, Generator, open_generator
from bridge_distill.records import EXPERT, Consensus, Draft, Question, Rationale
from bridge_distill.wording import WORDS, runs, words_of

KEPT = "kept"
POOL = [Question(f"p{n}", f"Is the number {n} even, or is it odd?", "yes_no", answer="no") for n in range(4)]
TEST = [Question("t0", "A test of the court asks whether seven judges may sit in one room.", "yes_no", answer="yes")]


def wanted(amount: int, **changes: Any) -> Questions:
    return Questions.model_validate({"amount": amount, **changes})


def frozen(root: Path, pool: Sequence[Question], test: Sequence[Question]) -> Path:
    """A data stage's folder."""
    folder = root / "data"
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / artifacts.TRAIN, Question, pool)
    write_rows(folder / artifacts.TEST, Question, test)
    return folder


class Script(Generator):
    """A writer of given texts, over and over; it keeps what it was asked."""

    def __init__(self, *texts: str, finished: bool = True) -> None:
        self.texts, self.finished = texts, finished
        self.asked: list[str] = []

    def write(
        self,
        asked: Sequence[Asked],
        decoding: Decoding,
        seed: int,
        tick: Tick = unseen,
        positions: Sequence[int] | None = None,
    ) -> list[list[Generation]]:
        self.asked += [one.prompt for one in asked]
        tick(len(asked))
        texts = [self.texts[at % len(self.texts)] for at in (range(len(asked)) if positions is None else positions)]
        return [[Generation(text, self.count(text), self.finished, -0.1, 0.0, 0.0)] for text in texts]

    def count(self, text: str) -> int:
        return len(text.split())


def written(
    root: Path, chosen: Questions, script: Script, pool: Sequence[Question] = POOL, test: Sequence[Question] = TEST
) -> tuple[dict[str, Any], list[Draft]]:
    """What the stage records and leaves, once what it leaves is seen to agree with itself."""
    for name in ("out", "scratch"):
        (root / name).mkdir(parents=True, exist_ok=True)
    figures = write_questions(chosen, frozen(root, pool, test), script, root / "out", root / "scratch", 3)
    drafts = read_rows(root / "out" / artifacts.DRAFTS, Draft)
    kept = [draft for draft in drafts if draft.kept]
    assert [prompts.body(question) for question in artifacts.new_questions(root / "out")] == [d.text for d in kept]
    assert [question.id for question in artifacts.new_questions(root / "out")] == [draft.question_id for draft in kept]
    assert figures["written"] == len(drafts) == figures["kept"] + sum(figures["refused"].values())
    assert not list((root / "scratch").glob("*.sqlite"))
    return figures, drafts


def reasons(root: Path, *texts: str, **data: Any) -> list[str]:
    _, drafts = written(root, wanted(len(texts), writer={"tries": 1}), Script(*texts), **data)
    return [draft.reason for draft in drafts]


def test_a_text_is_refused_for_its_reason_and_counted(tmp_path: Path) -> None:
    leak = f"So: a test OF the court asks, whether seven judges {'may ' * 3}be wrong in this town or in that one?"
    near = TEST[0].text.replace("room.", "room, sit in one room.")
    found = reasons(
        tmp_path,
        "May a dog be a judge of a cat?",
        "",
        "May a dog? Answer: no",
        POOL[1].text.upper(),
        "may a dog be a judge of a cat?",
        leak,
        near,
    )
    unreadable, shared = "not readable as a question", f"shares {WORDS} words with a test question"
    assert found == [
        KEPT,
        unreadable,
        unreadable,
        "near duplicate of the pool's",
        "near duplicate of a new one",
        shared,
        shared,
    ]
    _, [cut] = written(tmp_path / "cut", wanted(1, writer={"tries": 1}), Script("May a dog", finished=False))
    assert (cut.reason, cut.question_id) == ("cut off", "")


def test_what_is_nearly_a_test_question_is_refused_even_where_the_pool_holds_all_of_its_long_runs(
    tmp_path: Path,
) -> None:
    test = [Question("t", "one two three four five six seven eight", "yes_no", answer="yes")]
    pool = [*POOL, Question("long", f"{'zero ' * 40}{test[0].text}{' nine' * 40}", "yes_no")]
    near = "one two three four five six seven eight nine"
    assert reasons(tmp_path, near, pool=pool, test=test) == ["near duplicate of a test question"]


def test_the_pools_boilerplate_is_no_leak(tmp_path: Path) -> None:
    frame = "Given the rules of the federal courts of this country, say whether"
    pool = [*POOL, Question("a", f"{frame} cats may sue dogs over a bone.", "yes_no")]
    test = [Question("t", f"{frame} an owl owes rent to its tree.", "yes_no", answer="no")]
    text = f"{frame} bees can be fined when honey is sold without any label at all."
    assert reasons(tmp_path / "held", text, pool=pool, test=test) == [KEPT]
    [reason] = reasons(tmp_path / "rare", text, pool=POOL, test=test)
    assert reason == f"shares {WORDS} words with a test question"


def test_words_are_told_apart_where_no_space_stands_between_them(tmp_path: Path) -> None:
    test = [Question("t", "甲国公民在乙国法院起诉丙国公司，法院是否有管辖权？", "yes_no", answer="yes")]
    [reason] = reasons(tmp_path, "甲国公民在乙国法院起诉丙国公司，应当怎样判决才对？", test=test)
    assert reason == f"shares {WORDS} words with a test question"


def test_a_short_test_question_gives_itself_away_as_a_whole(tmp_path: Path) -> None:
    test = [Question("t", "Is 7 odd?", "yes_no", answer="yes")]
    text = "Tell me, is 7 odd, or am I mistaken about all numbers?"
    assert reasons(tmp_path, text, "Is 8 odd, or am I mistaken?", test=test) == [
        f"shares {WORDS} words with a test question",
        KEPT,
    ]


def test_writing_ends_with_the_amount_or_with_its_tries(tmp_path: Path) -> None:
    script = Script(*(f"May animal number {n} of the {n}th zoo speak?" for n in range(30)))
    figures, drafts = written(tmp_path / "enough", wanted(5, shard=3), script)
    assert (figures["kept"], len(drafts)) == (5, 5)
    again = Script("May a dog be a judge?")
    figures, drafts = written(tmp_path / "same", wanted(5, writer={"tries": 2}), again)
    assert (figures["kept"], len(drafts), len(again.asked)) == (1, 10, 10)
    assert figures["refused"] == {"near duplicate of a new one": 9}


@pytest.mark.parametrize("shard", [1, 3, 64])
def test_where_shards_end_and_a_kill_came_changes_nothing(tmp_path: Path, shard: int) -> None:
    texts = [f"May animal {n} of zoo {n % 3} speak{'?' * (n % 2)}" for n in range(25)]
    written(tmp_path / "whole", wanted(9, shard=64), Script(*texts))
    written(tmp_path / "parts", wanted(9, shard=shard), Script(*texts))
    shards = sorted((tmp_path / "parts/scratch").glob("shard*"))
    (tmp_path / "killed/scratch").mkdir(parents=True)
    shutil.copy2(shards[0], tmp_path / "killed/scratch")
    (tmp_path / "killed/scratch/new.sqlite").write_bytes(b"half of a file")
    script = Script(*texts)
    written(tmp_path / "killed", wanted(9, shard=shard), script)
    assert len(script.asked) == shard * (len(shards) - 1)
    for name in (artifacts.DRAFTS, artifacts.QUESTIONS):
        whole = (tmp_path / "whole/out" / name).read_bytes()
        assert whole == (tmp_path / "parts/out" / name).read_bytes() == (tmp_path / "killed/out" / name).read_bytes()


def test_the_writer_is_asked_by_kind_as_often_as_the_pool_holds_it(tmp_path: Path) -> None:
    law = [Question(f"l{n}", f"May {n} sue?", "yes_no", domain="law") for n in range(30)]
    sums = [Question(f"s{n}", f"What is {n} + {n}?", "number", domain="sums") for n in range(10)]
    script = Script("")
    written(tmp_path, wanted(50), script, pool=[*law, *sums])
    asked = Counter(script.asked)
    assert set(asked) == {
        "Write a question. Domain: law. Form of its answer: yes no.",
        "Write a question. Domain: sums. Form of its answer: number.",
    }
    assert 0.6 < max(asked.values()) / 200 < 0.9


CHOICES = st.lists(st.text("abAB) \n.1", min_size=1, max_size=6), min_size=0, max_size=5)


@given(text=st.text("abAB) \n.?", max_size=20), choices=CHOICES, form=st.sampled_from(["choice", "number", "yes_no"]))
def test_what_is_read_of_a_text_is_written_back_as_that_text(text: str, choices: list[str], form: str) -> None:
    question = Question("q", text, form, choices or None, domain="d")
    found = read(prompts.body(question), kind_of(question))
    if found is not None:
        assert prompts.body(found) == prompts.body(question)
        assert (found.form, found.domain, kind_of(found)) == (form, "d", kind_of(question))
        assert not prompts.listed(found) or len(set(prompts.listed(found))) == len(prompts.listed(found)) > 1


def test_a_plain_question_with_choices_is_read_back() -> None:
    question = Question("q", "Which is a cat?\nChoose one.", "choice", ["a lion", "a dog", "A) neither"], domain="x")
    found = read(prompts.body(question), kind_of(question))
    assert found is not None
    assert replace(found, id="q") == question
    for wrong in ("Which?\nA) a", "Which?\nA) a\nC) b", "A) a\nB) b", "Which?\nA) cat\nB) the cat", "Which?"):
        assert read(wrong, kind_of(question)) is None


WORD = st.sampled_from(["a", "b", "c", "d", "e", "f,", "G"])
TEXT = st.lists(WORD, min_size=1, max_size=24).map(" ".join)


def asked_of(texts: Sequence[str], prefix: str) -> list[Question]:
    return [Question(f"{prefix}{n}", text, "text", answer="x") for n, text in enumerate(texts)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    pool=st.lists(TEXT, min_size=1, max_size=4),
    test=st.lists(TEXT, min_size=1, max_size=4),
    texts=st.lists(TEXT, min_size=1, max_size=8),
    alike=st.sampled_from([0.3, 0.8, 1.0]),
)
def test_nothing_admitted_is_near_a_test_question_or_shares_a_rare_run_with_one(
    tmp_path: Path, pool: list[str], test: list[str], texts: list[str], alike: float
) -> None:
    shutil.rmtree(tmp_path)
    chosen = wanted(len(texts), writer={"tries": 1, "max_alike": alike})
    held = asked_of(test, "t")
    written(tmp_path, chosen, Script(*texts), pool=asked_of(pool, "p"), test=held)
    common = {run for text in pool for run in runs(words_of(text))}
    for admitted in artifacts.new_questions(tmp_path / "out"):
        rare = set(runs(words_of(wording(admitted)))) - common
        for question in held:
            assert jaccard(shingles(wording(admitted)), shingles(wording(question))) < alike
            assert not rare & set(runs(words_of(wording(question))))


@given(texts=st.lists(TEXT, max_size=6), other=TEXT)
def test_the_nearest_of_a_crowd_is_the_likest_of_all(texts: list[str], other: str) -> None:
    told = [shingles(text) for text in texts]
    expected = max((jaccard(shingles(other), text) for text in told), default=0.0)
    assert Crowd(told).nearest(shingles(other)) == expected


NEW = [Question(f"n{n}", f"May {n} dogs be judges?", "yes_no") for n in range(4)]


def voted(question: Question, *answers: str | None) -> list[Sample]:
    """Finished samples that give these answers, the first one the likeliest."""
    return [
        Sample(
            question.id, at, f"{at}\nAnswer: {said}", said, True, -0.1 * (at + 1), answers.count(said) / len(answers)
        )
        if said
        else Sample(question.id, at, "Hm.", None, True, -0.5, 0.0)
        for at, said in enumerate(answers)
    ]


def settled(root: Path, chosen: Questions, tutor: Tutor, votes: Sequence[Sequence[str | None]]) -> list[Consensus]:
    root.mkdir(exist_ok=True)
    write_rows(root / "pool.parquet", Question, NEW[: len(votes)])
    made = [sample for question, said in zip(NEW, votes, strict=False) for sample in voted(question, *said)]
    settle(panel(chosen, tutor), root / "pool.parquet", made, root, root)
    rows = artifacts.rationales(root)
    assert [(row.question_id, row.sample, row.text) for row in rows] == [
        (s.question_id, s.sample, s.text) for s in made
    ]
    return list(iterate_rows(root / artifacts.CONSENSUS, Consensus))


def test_a_question_joins_on_agreement_with_its_best_explanation(tmp_path: Path) -> None:
    chosen = wanted(4, samples=4, agreement=0.7)
    votes = [("yes", "yes", "no", "yes"), ("yes", "no", "no", "yes"), (None,) * 4, ("no", "no", "no", None)]
    found = settled(tmp_path, chosen, Tutor(), votes)
    assert [(row.answer, row.agreement, row.reason) for row in found] == [
        ("yes", 0.75, KEPT),
        ("yes", 0.5, "no agreement"),
        (None, 0.0, "no agreement"),
        ("no", 0.75, KEPT),
    ]
    rows = artifacts.rationales(tmp_path)
    assert [(row.question_id, row.sample, row.answer) for row in rows if row.kept] == [
        ("n0", 0, "yes"),
        ("n3", 0, "no"),
    ]
    assert Counter(row.reason for row in rows if row.question_id in ("n1", "n2")) == {"no agreement": 8}


def test_agreement_alone_does_not_pass_the_tutors_filters(tmp_path: Path) -> None:
    chosen = wanted(1, samples=2, keep_best=2)
    [found] = settled(tmp_path / "long", chosen, Tutor(max_words=2), [("yes", "yes")])
    assert (found.kept, found.reason) == (False, "no explanation passed the filters")
    [found] = settled(tmp_path / "short", chosen, Tutor(max_words=3), [("yes", "yes")])
    assert found.kept
    assert sum(row.kept for row in artifacts.rationales(tmp_path / "short")) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    votes=st.lists(st.lists(st.sampled_from(["yes", "no", None]), min_size=3, max_size=3), min_size=1, max_size=4),
    agreement=st.sampled_from([0.5, 2 / 3, 0.9]),
    filters=st.sampled_from([[], ["finished", "answer"], Tutor().filters]),
)
def test_no_kept_explanation_disagrees_with_a_believed_answer(
    tmp_path: Path, votes: list[list[str | None]], agreement: float, filters: list[str]
) -> None:
    chosen = wanted(4, samples=3, agreement=agreement)
    found = {row.question_id: row for row in settled(tmp_path, chosen, Tutor(filters=filters), votes)}
    kept = [row for row in artifacts.rationales(tmp_path) if row.kept]
    assert {row.question_id for row in kept} == {name for name, row in found.items() if row.kept}
    assert all(row.answer == found[row.question_id].answer for row in kept)
    assert all(row.agreement > agreement for row in found.values() if row.kept)


LEGAL = practice.make("legal", 24, 1, 0.0)
LEARNER = {"shrink": Shrink(), "epochs": 1, "batch": 4, "learning_rate": 5e-3}


def answered(
    root: Path, base: Path, pool: Sequence[Question], learnt: Sequence[Question], asked: Sequence[Question], **set_: Any
) -> dict[str, Any]:
    for name in ("out", "scratch", "asked", "assistant", "teach"):
        (root / name).mkdir(parents=True, exist_ok=True)
    if not (root / "assistant" / artifacts.MODEL).exists():
        (root / "assistant" / artifacts.MODEL).symlink_to(base)
    paid = [Rationale(question.id, 0, EXPERT, "t", "yes", True, KEPT) for question in learnt]
    write_rows(root / "teach" / artifacts.RATIONALES, Rationale, paid)
    write_rows(root / "asked" / artifacts.QUESTIONS, Question, asked)
    chosen = wanted(9, samples=2, agreement=0.6, temperature=0.2, **set_)
    tutor = Tutor(filters=["finished", "answer"], max_new_tokens=60)
    places = [root / name for name in ("asked", "assistant", "assistant", "teach", "out", "scratch")]
    return answer_questions(chosen, tutor, frozen(root, pool, TEST), *places, Compute(), 5)


@pytest.fixture(scope="module")
def finished(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """An answer stage that was never interrupted: six new questions, and eight checks of eighteen possible."""
    root = tmp_path_factory.mktemp("answered")
    asked = [replace(question, id=f"new-{question.id}", answer=None) for question in practice.make("legal", 6, 9, 0.0)]
    return root, answered(root, tiny_base, LEGAL, LEGAL[:6], asked, checked=8, shard=4)


def test_new_questions_are_answered_and_the_noise_of_their_labels_is_measured(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    root, figures = finished
    joined = {question.id for question in artifacts.new_questions(root / "out")}
    rows = artifacts.rationales(root / "out")
    assert figures["asked"] == 6 == figures["joined"] + sum(figures["refused"].values())
    assert len(joined) == figures["joined"] > 0, "the tiny base answers such questions"
    assert joined == {row.question_id for row in rows if row.kept}
    assert (figures["written"], figures["kept"]) == (len(rows), sum(row.kept for row in rows))
    assert {row.author for row in rows} == {"assistant"}
    checked = read_rows(root / "out" / artifacts.CHECKED / artifacts.CONSENSUS, Consensus)
    gold = {question.id: question.answer for question in LEGAL[6:]}
    confident = [row for row in checked if row.kept]
    wrong = sum(row.answer != gold[row.question_id] for row in confident)
    noise = figures["noise"]
    assert (noise["asked"], noise["confident"], noise["wrong"]) == (8, len(confident), wrong)
    assert noise["low"] <= noise["share"] == wrong / len(confident) <= noise["high"]


def test_the_assistant_never_sees_the_gold_of_a_checked_question(
    finished: tuple[Path, dict[str, Any]], tiny_base: Path, tmp_path: Path
) -> None:
    root, figures = finished
    turned = [replace(question, answer="no" if question.answer == "yes" else "yes") for question in LEGAL]
    other = answered(tmp_path, tiny_base, turned, LEGAL[:6], artifacts_of(root), checked=8, shard=4)
    for name in (artifacts.RATIONALES, artifacts.CONSENSUS):
        paths = [folder / "out" / artifacts.CHECKED / name for folder in (root, tmp_path)]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    assert other["noise"]["wrong"] == figures["noise"]["confident"] - figures["noise"]["wrong"]


def artifacts_of(root: Path) -> list[Question]:
    return read_rows(root / "asked" / artifacts.QUESTIONS, Question)


def test_a_killed_answer_goes_on_with_its_shards_to_the_same_bytes(
    finished: tuple[Path, dict[str, Any]], tiny_base: Path, tmp_path: Path
) -> None:
    root, figures = finished
    for name, count in (("new", 1), ("known", 1)):
        (tmp_path / "scratch" / name).mkdir(parents=True)
        for shard in sorted((root / "scratch" / name).glob("shard*"))[:count]:
            shutil.copy2(shard, tmp_path / "scratch" / name)
    again = answered(tmp_path, tiny_base, LEGAL, LEGAL[:6], artifacts_of(root), checked=8, shard=4)
    assert again == figures
    for path in sorted((root / "out").rglob("*.parquet")):
        assert path.read_bytes() == (tmp_path / "out" / path.relative_to(root / "out")).read_bytes()


@pytest.mark.parametrize(
    ("pool", "learnt", "words"),
    [
        ([replace(question, answer=None) for question in LEGAL[:3]], [], "no question of the pool has a gold answer"),
        (LEGAL[:3], LEGAL[:3], "the assistant has learnt from every question"),
    ],
)
def test_noise_that_cannot_be_measured_is_said_to_be_unknown(
    tiny_base: Path, tmp_path: Path, pool: list[Question], learnt: list[Question], words: str
) -> None:
    noise = answered(tmp_path, tiny_base, pool, learnt, [])["noise"]
    assert noise["unknown"].startswith(words)
    assert noise["confident"] == 0
    assert "share" not in noise


def tuned(root: Path, base: Path, pool: Sequence[Question], test: Sequence[Question] = TEST) -> dict[str, Any]:
    for name in ("writer", "scratch"):
        (root / name).mkdir(parents=True, exist_ok=True)
    learner = Assistant.model_validate({"base": str(base), **LEARNER})
    chosen = wanted(4, writer={"examples": 16}).writer
    places = (frozen(root, pool, test), root / "writer", root / "scratch")
    return tune_writer(chosen, learner, *places, Compute(), 2)


def test_a_writer_learns_from_the_pools_texts_alone(tiny_base: Path, tmp_path: Path) -> None:
    choice = Question("c", "Which?", "choice", ["the same", "same"], "A")
    figures = tuned(tmp_path / "a", tiny_base, [*LEGAL, choice])
    assert (figures["examples"], figures["unreadable"], figures["beyond_examples"]) == (16, 1, 8)
    bare = [replace(question, answer=None) for question in LEGAL]
    tuned(tmp_path / "b", tiny_base, [*bare, replace(choice, answer=None)], LEGAL[:3])
    weights = [root / "writer" / artifacts.MODEL / "model.safetensors" for root in (tmp_path / "a", tmp_path / "b")]
    assert weights[0].read_bytes() == weights[1].read_bytes(), "neither gold nor test questions change it"
    writer = open_generator(str(weights[0].parent), Compute(), "questions.writer")
    several = writer.write([Asked("Write a question. Domain: legal.")] * 5, Decoding(60, 1.0), 7)
    assert len({one.text for [one] in several}) > 1


def test_a_pool_that_cannot_be_read_back_is_one_sentence(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"questions: no question of the pool can be read back"):
        tuned(tmp_path, tiny_base, [Question("c", "Which?", "choice", ["a", "a"], "A")])
