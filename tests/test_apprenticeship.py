"""The apprentice learns every sample that was paid for, and stops where held-out replies tell it to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_distill import artifacts, practice
from bridge_distill.answers import read_answer
from bridge_distill.assistant import apprentice
from bridge_distill.assistant.lessons import lessons, planned, repeats_of
from bridge_distill.config import Assistant, Compute
from bridge_distill.efforts import Effort
from bridge_distill.engine.fingerprint import digest_folder
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.improving import tuned_names
from bridge_distill.kinds import kinds
from bridge_distill.models.load import Model, load
from bridge_distill.records import ASSISTANT, EXPERT, Question, Rationale

QUESTIONS = practice.make("legal", 10, 3, 0.0)
BY_ID = {question.id: question for question in QUESTIONS}


def paid(samples: int = 1) -> list[Rationale]:
    """What the expert said of each question, in ``samples`` ways."""
    texts = [(q, n, practice.explain(q, phrasing=n, error=False)) for q in QUESTIONS for n in range(samples)]
    return [Rationale(q.id, n, EXPERT, text, read_answer(text, q), True, "kept") for q, n, text in texts]


def settings(**more: Any) -> Assistant:
    return Assistant.model_validate(more)


def tune(base: Path, folder: Path, rows: Sequence[Rationale], **more: Any) -> dict[str, Any]:
    """Tune an assistant in a folder that may hold an earlier attempt's checkpoints."""
    for name in ("data", "teach"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_rows(folder / "data" / artifacts.TRAIN, Question, QUESTIONS)
    write_rows(folder / "teach" / artifacts.RATIONALES, Rationale, rows)
    plan = settings(**{"base": str(base), "epochs": 4, "shrink": {"vocabulary": None}, "save_steps": 3, **more})
    places = [folder / name for name in ("data", "teach", "assistant", "scratch")]
    return apprentice(plan, *places, Compute(), 1, kinds)


def test_several_samples_of_a_question_are_all_learnt() -> None:
    rows = paid(samples=3)
    [phase] = planned(settings(), BY_ID, lessons(settings(), rows, None, False, 0))
    assert [example.completion for example in phase.examples] == [row.text for row in rows]
    assert len({example.completion for example in phase.examples}) > 2 * len(QUESTIONS)


def test_a_question_is_held_out_with_all_of_its_samples_the_same_ones_for_a_seed() -> None:
    rows, chosen = paid(samples=3), settings(validation=0.2)
    found = lessons(chosen, rows, None, False, 5)
    held = {row.question_id for row in found.held_out}
    assert (len(held), len(found.held_out), len(found.paid)) == (2, 6, 24)
    assert not held & {row.question_id for row in found.paid}
    again = lessons(chosen, list(reversed(rows)), None, False, 5)
    assert {row.question_id for row in again.held_out} == held
    [phase] = planned(chosen, BY_ID, found)
    assert [example.completion for example in phase.held_out] == [row.text for row in found.held_out]
    assert found.figures() == {"held_out": {"rationales": 6, "questions": 2}}


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_share_that_holds_out_nothing_or_all_is_refused(share: float) -> None:
    with pytest.raises(UserError, match=r"assistant\.validation: .* of 10 paid questions holds out (0|10)"):
        lessons(settings(validation=share), paid(), None, False, 0)


@given(st.integers(1, 500), st.integers(0, 100_000), st.floats(0, 0.95), st.integers(1, 9), st.integers(1, 9))
def test_paid_rationales_are_repeated_as_little_as_their_share_and_their_epochs_ask(
    count: int, own: int, share: float, epochs: int, of_round: int
) -> None:
    chosen = settings(epochs=epochs, improve={"paid_share": share, "epochs": of_round})
    times = repeats_of(chosen, count, own)
    assert times * count >= share * (times * count + own) * (1 - 1e-6)
    assert times * of_round >= epochs
    fewer = times - 1
    assert fewer == 0 or fewer * count < share * (fewer * count + own) * (1 + 1e-6) or fewer * of_round < epochs


def test_hints_are_a_second_form_of_what_was_paid_and_no_part_of_what_is_held_out() -> None:
    rows, chosen = paid(), settings(validation=0.2)
    found = lessons(chosen, rows, None, True, 0)
    [phase] = planned(chosen, BY_ID, found)
    plain, hinted = phase.examples[:8], phase.examples[8:]
    assert [example.completion for example in plain] == [example.completion for example in hinted]
    for row, one, other in zip(found.paid, plain, hinted, strict=True):
        hint = f"\nHint: the answer is {BY_ID[row.question_id].answer}."
        assert hint not in one.prompt
        assert other.prompt.replace(hint, "") == one.prompt


@pytest.mark.parametrize(
    "improve",
    [{}, {"epochs": 5, "paid_share": 0.6}, {"hints": False}, {"keep_best": 3}, {"keep_best": None, "filters": []}],
)
def test_what_a_round_may_take_is_foreseen(improve: dict[str, Any]) -> None:
    chosen = settings(improve={"rounds": 2, **improve})
    bought, others = paid()[:3], paid()[3:]
    joined = min(chosen.improve.keep_best or 9, chosen.improve.samples) * [
        replace(row, author=ASSISTANT) for row in others
    ]
    effort = Effort(chosen, 1e6, 100, 50)
    foreseen = effort.assistant(len(bought), len(QUESTIONS))
    for number, name in enumerate(tuned_names(chosen)):
        hinted = chosen.improve.hints and number < chosen.improve.rounds
        learnt = lessons(chosen, bought, joined if number else None, hinted, 0)
        examples = sum(len(phase.examples) for phase in planned(chosen, BY_ID, learnt))
        assert foreseen[name] == effort.tuned(examples, chosen.improve.epochs if number else chosen.epochs)


@pytest.mark.parametrize(("adapter", "rate"), [("full", 3e-2), ("lora", 0.5), ("reasoning-sparse", 3e-2)])
def test_tuning_stops_early_and_keeps_the_best_weights(
    tiny_base: Path, tmp_path: Path, adapter: str, rate: float
) -> None:
    more = {"adapter": adapter, "validation": 0.3, "patience": 1, "epochs": 20, "learning_rate": rate}
    figures = tune(tiny_base, tmp_path, paid(), **more)
    found, whole = figures["validation"], 20 * 7 // 2
    losses = dict(found["losses"])
    assert figures["held_out"] == {"rationales": 3, "questions": 3}
    assert (found["examples"], figures["examples"]) == (3, 7)
    assert figures["steps"] < whole, "steps this long cannot go on helping"
    assert losses[found["best_step"]] == min(losses.values())
    assert max(losses) == figures["steps"]
    assert figures["tokens"] > 0


class Killed(BaseException):
    """Stands for a kill."""


@pytest.mark.parametrize("at", ["evaluation", "end"])
def test_killed_in_early_stopping_it_ends_with_the_same_bytes(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    from transformers import EarlyStoppingCallback

    more = {"validation": 0.3, "patience": 2, "epochs": 20, "learning_rate": 2e-2, "level_weights": {"answer": 2}}
    whole = tune(tiny_base, tmp_path / "whole", paid(), **more)
    assert whole["steps"] > whole["validation"]["best_step"], "the weights that stay are not the last ones"
    place, name = (EarlyStoppingCallback, "on_evaluate") if at == "evaluation" else (Model, "save")
    real, seen = getattr(place, name), 0

    def dies(self: Any, *given: Any, **named: Any) -> Any:
        nonlocal seen
        seen += 1
        if at == "end" or seen == len(whole["validation"]["losses"]) - 1:
            raise Killed
        return real(self, *given, **named)

    monkeypatch.setattr(place, name, dies)
    with pytest.raises(Killed):
        tune(tiny_base, tmp_path / "killed", paid(), **more)
    monkeypatch.setattr(place, name, real)
    (tmp_path / "killed").rename(tmp_path / "moved")
    assert tune(tiny_base, tmp_path / "moved", paid(), **more) == whole
    assert digest_folder(tmp_path / "moved/assistant") == digest_folder(tmp_path / "whole/assistant")


def test_the_weights_that_stay_are_those_of_the_lowest_loss(tiny_base: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    more = {"validation": 0.3, "patience": 1, "epochs": 20, "learning_rate": 3e-2}
    found = tune(tiny_base, tmp_path, paid(), **more)["validation"]
    checkpoint = tmp_path / f"scratch/checkpoints/checkpoint-{found['best_step']}"
    best = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    kept = load(str(tmp_path / "assistant/model"), Compute(), "b").network
    assert all(torch.equal(best.state_dict()[name], value) for name, value in kept.state_dict().items())
