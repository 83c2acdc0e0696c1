"""The tutor's explanations are filtered for stated reasons that add up; it resumes, and holds no pool in memory."""

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

from bridge_distill import artifacts, practice
from bridge_distill.assistant import check_filters, tutor
from bridge_distill.assistant.contract import Sample, filters
from bridge_distill.assistant.quality import quality
from bridge_distill.assistant.sieve import Sieve
from bridge_distill.config import Assistant, Compute, Evaluate, Tutor
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.records import Question, Rationale

QUESTION = Question("q", "Is the sky blue?", "yes_no", answer="yes")
UNKNOWN = replace(QUESTION, answer=None)
LOOP = "the sky is blue because the sky is blue and "
EVERY = filters.names()


def samples_of(*told: tuple[str, str | None], logs: Sequence[float] = (), question: str = "q") -> list[Sample]:
    """Finished samples with their answers; all equally likely unless ``logs`` says otherwise."""
    answers = [answer for _, answer in told]
    return [
        Sample(
            question,
            number,
            text,
            answer,
            True,
            logs[number] if logs else -0.1,
            answers.count(answer) / len(told) if answer else 0.0,
        )
        for number, (text, answer) in enumerate(told)
    ]


def plan(samples: int = 1, **changes: Any) -> Tutor:
    return Tutor.model_validate({"samples": samples, "temperature": 0.7 if samples > 1 else 0.0, **changes})


def reasons(chosen: Tutor, pools: Sequence[tuple[Question, list[Sample]]], scratch: Path) -> list[str]:
    sieve, samples = Sieve(chosen, scratch), [sample for _, made in pools for sample in made]
    sieve.survey(samples)
    rows = sieve.sift([question for question, _ in pools], samples)
    found = [row.reason for row in rows]
    sieve.close()
    return found


@pytest.mark.parametrize("chosen", [Tutor(), Assistant().improve, Evaluate()])
def test_a_shard_is_several_full_batches_where_nothing_is_said(chosen: Any) -> None:
    assert chosen.shard * chosen.max_new_tokens > 4 * Compute().batch_tokens


@pytest.mark.parametrize(
    ("name", "question", "sample", "reason"),
    [
        ("finished", QUESTION, ("It is", None), "cut off"),
        ("answer", QUESTION, ("It is, I think.", None), "no readable answer"),
        ("correct", QUESTION, ("No.\nAnswer: no", "no"), "disagrees with gold"),
        ("correct", UNKNOWN, ("No.\nAnswer: no", "no"), "kept"),
        ("steps", QUESTION, ("So 3 + 4 = 8.\nAnswer: yes", "yes"), "a step is computed wrongly"),
        ("steps", QUESTION, ("So 3 + 4 = 7.\nAnswer: yes", "yes"), "kept"),
        ("repetition", QUESTION, (LOOP * 4 + "\nAnswer: yes", "yes"), "repetition"),
        ("repetition", QUESTION, ("Step one adds 3 and 4. Step two adds 5. Step three adds 6.", None), "kept"),
        ("length", QUESTION, (" ".join(map(str, range(200))), None), "too long"),
    ],
)
def test_a_filter_refuses_for_its_reason(
    name: str, question: Question, sample: tuple[str, str | None], reason: str, tmp_path: Path
) -> None:
    made = samples_of(sample)
    if reason == "cut off":
        made = [replace(made[0], finished=False)]
    assert reasons(plan(filters=[name]), [(question, made)], tmp_path) == [reason]
    assert reasons(plan(filters=[]), [(question, made)], tmp_path) == ["kept"]


def test_filters_stand_in_their_own_order_and_the_first_reason_is_given(tmp_path: Path) -> None:
    made = [replace(sample, finished=False) for sample in samples_of((LOOP * 40, None))]
    assert reasons(plan(filters=["length", "repetition", "answer", "finished"]), [(QUESTION, made)], tmp_path) == [
        "cut off"
    ]
    assert reasons(plan(filters=["length", "repetition"]), [(QUESTION, made)], tmp_path) == ["repetition"]


def test_without_gold_more_than_half_of_the_samples_have_to_agree(tmp_path: Path) -> None:
    def judged(*answers: str | None) -> list[str]:
        made = samples_of(*((f"{at}.", answer) for at, answer in enumerate(answers)))
        return reasons(plan(len(answers), filters=["correct"]), [(UNKNOWN, made)], tmp_path)

    alone = "no majority of samples"
    assert judged("yes", "no", "yes") == ["kept", alone, "kept"]
    assert judged("yes", "no") == [alone, alone]
    assert judged("yes", None, None, "yes") == [alone] * 4


def test_the_best_samples_of_a_question_stay(tmp_path: Path) -> None:
    made = samples_of(("a", "yes"), ("b", "yes"), ("c", "yes"), ("d", "no"), logs=[-0.5, -0.1, -0.3, -0.01])
    chosen = plan(4, filters=["best"], keep_best=2)
    assert reasons(chosen, [(QUESTION, made)], tmp_path) == [
        "others score higher",
        "kept",
        "kept",
        "others score higher",
    ]
    assert max(map(quality, made)) <= 0


@given(logs=st.lists(st.floats(-9, 0), min_size=1, max_size=40), share=st.floats(0.01, 1))
def test_the_likeliest_share_of_a_whole_pool_stays(logs: list[float], share: float) -> None:
    pools = [(QUESTION, samples_of(("It is.", "yes"), logs=[log])) for log in logs]
    found = reasons(plan(filters=["likeliest"], keep_likeliest=share), pools, Path())
    kept = [log for log, reason in zip(logs, found, strict=True) if reason == "kept"]
    assert set(found) <= {"kept", "less likely than most"}
    assert len(kept) >= max(1, round(share * len(logs)))
    assert len([log for log in kept if log > min(kept)]) < max(1, round(share * len(logs)))
    assert all(log < min(kept) for log, reason in zip(logs, found, strict=True) if reason != "kept")


def test_what_another_filter_refuses_counts_among_the_whole_pool(tmp_path: Path) -> None:
    right, wrong = ("It is.", "yes"), ("It is not.", "no")
    pools = [(QUESTION, samples_of(one, logs=[log])) for one, log in ((wrong, -0.1), (right, -0.2), (right, -0.3))]
    chosen = plan(filters=["likeliest", "correct"], keep_likeliest=0.67)
    assert reasons(chosen, pools, tmp_path) == ["disagrees with gold", "kept", "less likely than most"]


def test_nearly_the_same_words_are_kept_once(tmp_path: Path) -> None:
    words = [f"word{at}" for at in range(60)]
    text, near, far = " ".join(words), " ".join([*words[:-1], "other"]), " ".join(words[:30])
    chosen = plan(3, filters=["near_duplicates"])
    first = (QUESTION, samples_of((text, "yes"), (near, "yes"), (far, "yes"), logs=[-0.2, -0.1, -0.3]))
    second = (QUESTION, samples_of((text.upper(), "yes"), (far, "yes"), ("something else", "yes"), question="r"))
    assert reasons(chosen, [first, second], tmp_path) == [
        "near duplicate of the same question's",
        "kept",
        "kept",
        "near duplicate of another question's",
        "near duplicate of another question's",
        "kept",
    ]


def test_what_a_later_filter_drops_takes_no_place_among_the_kept(tmp_path: Path) -> None:
    chosen = plan(2, filters=["near_duplicates", "best"], keep_best=1)
    first = (QUESTION, samples_of(("one two three four", "yes"), ("five six seven eight", "yes"), logs=[-0.1, -0.9]))
    second = (QUESTION, samples_of(("five six seven eight", "yes"), ("one two three four", "yes"), question="r"))
    kept, worse, twin = "kept", "others score higher", "near duplicate of another question's"
    assert reasons(chosen, [first, second], tmp_path) == [kept, worse, kept, twin]


TEXTS = st.sampled_from(["It is.", "It is not.", LOOP * 4, "So 1 + 1 = 3.", "word " * 200, "a b c d e f g h"])
POOLS = st.lists(
    st.lists(st.tuples(TEXTS, st.sampled_from(["yes", "no", None])), min_size=3, max_size=3), min_size=1, max_size=6
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(made=POOLS, gold=st.sampled_from(["yes", None]), names=st.sets(st.sampled_from(EVERY)))
def test_every_sample_comes_out_once_and_the_counts_add_up(
    tmp_path: Path, made: list[list[tuple[str, str | None]]], gold: str | None, names: set[str]
) -> None:
    pools = [
        (replace(QUESTION, id=str(at), answer=gold), samples_of(*told, question=str(at)))
        for at, told in enumerate(made)
    ]
    sieve = Sieve(plan(3, filters=sorted(names), keep_best=2 if "best" in names else None), tmp_path)
    everything = [sample for _, part in pools for sample in part]
    sieve.survey(everything)
    rows = list(sieve.sift((question for question, _ in pools), iter(everything)))
    table = sieve.table()
    sieve.close()
    assert [(row.question_id, row.sample, row.text) for row in rows] == [
        (sample.question_id, sample.sample, sample.text) for sample in everything
    ]
    assert all(row.kept == (row.reason == "kept") for row in rows)
    assert Counter(row.reason for row in rows if not row.kept) == sum(
        (Counter(step["reasons"]) for step in table), Counter()
    )
    flow = [len(everything), *(step["out"] for step in table)]
    assert [step["in"] for step in table] == flow[:-1]
    assert flow[-1] == sum(row.kept for row in rows)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"samples": 2}, "at temperature 0 are all the same"),
        ({"keep_best": 1}, "go together"),
        ({"filters": ["best"]}, "go together"),
        ({"filters": ["finished", "finished"]}, "twice"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tutor.model_validate(settings_)


def test_an_unknown_filter_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"tutor\.filters: unknown filter 'finish'; .*'finished'"):
        check_filters(plan(filters=["finish"]), "tutor")


def explained(base: Path, root: Path, chosen: Tutor, questions: Sequence[Question]) -> list[Rationale]:
    """Tutor a pool in a folder that may hold an earlier attempt's shards."""
    for name in ("data", "tutor", "scratch"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "assistant").mkdir(exist_ok=True)
    if not (root / "assistant" / artifacts.MODEL).exists():
        (root / "assistant" / artifacts.MODEL).symlink_to(base)
    write_rows(root / "data" / artifacts.TRAIN, Question, questions)
    figures = tutor(chosen, root / "data", root / "assistant", root / "tutor", root / "scratch", Compute(), 5)
    rows = artifacts.rationales(root / "tutor")
    assert (figures["written"], figures["kept"]) == (len(rows), sum(row.kept for row in rows))
    return rows


SAMPLED = {"filters": EVERY, "keep_best": 2, "max_new_tokens": 12}
POOL = practice.make("legal", 10, 1, 0.0)


def test_a_killed_tutor_goes_on_with_its_shards_to_the_same_bytes(tiny_base: Path, tmp_path: Path) -> None:
    chosen = plan(3, shard=4, **SAMPLED)
    explained(tiny_base, tmp_path / "whole", chosen, POOL)
    (tmp_path / "killed/scratch").mkdir(parents=True)
    first, *others = sorted((tmp_path / "whole/scratch").glob("shard*"))
    left = Path(shutil.copy2(first, tmp_path / "killed/scratch"))
    (tmp_path / "killed/scratch/kept.sqlite").write_bytes(b"half of a file")
    before = left.stat().st_mtime_ns
    explained(tiny_base, tmp_path / "killed", chosen, POOL)
    assert (left.stat().st_mtime_ns, len(others)) == (before, 2)
    whole, resumed = (tmp_path / name / "tutor" / artifacts.RATIONALES for name in ("whole", "killed"))
    assert whole.read_bytes() == resumed.read_bytes()


@pytest.mark.parametrize("samples", [1, 3])
def test_where_shards_and_batches_end_changes_nothing_that_is_written(
    tiny_base: Path, tmp_path: Path, samples: int
) -> None:
    small = explained(tiny_base, tmp_path / "a", plan(samples, shard=3, max_new_tokens=12), POOL)
    large = explained(tiny_base, tmp_path / "b", plan(samples, shard=64, max_new_tokens=12), POOL)
    assert [row.text for row in small] == [row.text for row in large]
    if samples > 1:
        assert len({row.text for row in small}) > len(POOL)


def test_a_limit_that_cuts_off_is_told_once(
    tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explained(tiny_base, tmp_path / "short", plan(1, max_new_tokens=4), POOL)
    told = "tutor.max_new_tokens: 4 tokens cut off 10 of 10 texts; a higher limit would let them end"
    assert capsys.readouterr().err.splitlines().count(told) == 1
    explained(tiny_base, tmp_path / "long", plan(1, max_new_tokens=120), POOL)
    assert "cut off" not in capsys.readouterr().err
