"""Every way in which a provider can misbehave, against the ledger and the provider's own books."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge_distill import artifacts
from bridge_distill.config import Budget
from bridge_distill.errors import UserError
from bridge_distill.teacher import serve
from bridge_distill.teacher.loopback import Fault
from classroom import Place, answer, billed, covers, http_teacher, once, questions, times_billed

AT_ONCE = {"Retry-After": "0"}
# What goes wrong once, what the ledger calls that attempt, and whether the reply is asked for again.
PASSING = {
    "429": (Fault("status", 429, AT_ONCE), "refused"),
    "429 without Retry-After": (Fault("status", 429), "refused"),
    "500 before the work": (Fault("status", 500, AT_ONCE), "unknown"),
    "500 after the work": (Fault("status", 500, AT_ONCE, billed=True), "unknown"),
    "502": (Fault("status", 502, AT_ONCE), "unknown"),
    "529": (Fault("status", 529, AT_ONCE), "unknown"),
    "reset before the work": (Fault("reset"), "unknown"),
    "reset after the work": (Fault("reset", billed=True), "unknown"),
    "hang": (Fault("hang", billed=True), "unknown"),
    "slow drip": (Fault("drip"), "unknown"),
    "truncated JSON": (Fault("garbage"), "unknown"),
    "no JSON": (Fault("not_json", billed=True), "unknown"),
    "HTML page": (Fault("html", billed=True), "unknown"),
    "huge reply": (Fault("huge"), "unknown"),
}
# What comes back odd but is a paid reply, and what becomes of its rationale.
ODD = {
    "invalid UTF-8": (Fault("not_utf8"), {"kept": 3}),
    "wrong content type": (Fault("content_type"), {"kept": 3}),
    "empty choices": (Fault("empty_choices"), {"empty": 1, "kept": 2}),
    "missing usage": (Fault("no_usage"), {"kept": 3}),
    "length": (Fault("length"), {"cut off": 1, "kept": 2}),
    "content filter": (Fault("content_filter"), {"kept": 2, "refused": 1}),
    "refusal": (Fault("refusal"), {"kept": 2, "refused": 1}),
    "another model": (Fault("wrong_model"), {"kept": 3}),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_is_retried_and_every_attempt_is_in_the_books(tmp_path: Path, name: str) -> None:
    fault, outcome = PASSING[name]
    place = Place(tmp_path, questions(3))
    with serve(answer, fault=once(fault, 1)) as server:
        figures = place.teach(http_teacher(server, timeout=2.0), Budget(queries=9))
        assert covers(place.total(), billed(server.books))
    assert figures["replies"] == 3
    assert figures["attempts"] == {outcome: 1, "settled": 3}
    assert figures["queries"] == 4
    assert figures["failed"] == []


@pytest.mark.parametrize("name", ODD)
def test_an_odd_reply_is_paid_once_and_judged(tmp_path: Path, name: str) -> None:
    fault, rationales = ODD[name]
    place = Place(tmp_path, questions(3))
    with serve(answer, fault=once(fault, 1)) as server:
        figures = place.teach(http_teacher(server, max_output_tokens=200), Budget(queries=9))
        assert covers(place.total(), billed(server.books))
        assert len(server.books) == 3
    assert figures["attempts"] == {"settled": 3}
    assert figures["rationales"] == rationales
    if name == "missing usage":
        assert max(reply.output_tokens for reply in artifacts.replies(tmp_path / "teach")) == 200


def test_a_request_delivered_twice_is_the_one_bill_that_nobody_can_see(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(3))
    with serve(answer, fault=once(Fault("duplicate"), 1)) as server:
        figures = place.teach(http_teacher(server), Budget(queries=9))
        assert sorted(times_billed(server.books).values()) == [1, 1, 2]
    assert figures["attempts"] == {"settled": 3}


def test_with_replies_kept_at_the_provider_a_lost_one_is_fetched_and_not_paid_again(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(6))
    lost = Fault("reset", billed=True)
    with serve(answer, fault=once(lost, 1, 4)) as server:
        figures = place.teach(http_teacher(server, keep_at_provider=True), Budget(queries=20))
        assert set(times_billed(server.books).values()) == {1}
        assert place.total().input_tokens == billed(server.books).input_tokens
    assert (figures["replies"], figures["attempts"]) == (6, {"settled": 6})


class Batch:
    """Batch faults by place, as the server's two hooks take them."""

    def __init__(self, **faults: Fault) -> None:
        self.faults = faults
        self.seen: list[str] = []

    def calls(self, number: int, place: str) -> Fault | None:
        self.seen.append(place)
        fault = self.faults.get(place)
        return fault if number == 0 else None


BATCHES: dict[str, tuple[Batch, dict[str, int]]] = {
    "sound": (Batch(), {"settled": 6}),
    "upload fails": (Batch(upload=Fault("status", 429, AT_ONCE)), {"settled": 6}),
    "submission refused once": (Batch(batch=Fault("status", 429, AT_ONCE)), {"settled": 6}),
    "answer to the submission lost": (Batch(batch=Fault("reset", billed=True)), {"settled": 6}),
    "submission lost before it arrived": (Batch(batch=Fault("reset")), {"released": 6, "settled": 6}),
    "polls fail": (Batch(poll=Fault("status", 500, AT_ONCE)), {"settled": 6}),
    "stuck for some looks": (Batch(batch=Fault("batch_stuck", polls=3)), {"settled": 6}),
    "results fail": (Batch(results=Fault("status", 500, AT_ONCE)), {"settled": 6}),
    "expired half-way": (Batch(batch=Fault("batch_expired", share=0.5)), {"refused": 3, "settled": 6}),
    "cancelled half-way": (Batch(batch=Fault("batch_cancelled", share=0.5)), {"refused": 3, "settled": 6}),
    "a line is missing": (Batch(batch=Fault("batch_missing_line")), {"settled": 6, "unknown": 1}),
    "a line comes twice": (Batch(batch=Fault("batch_duplicate_line")), {"settled": 6}),
    "another order": (Batch(batch=Fault("batch_reordered")), {"settled": 6}),
    "a line is garbage": (Batch(batch=Fault("batch_garbage_line")), {"settled": 6, "unknown": 1}),
}


def batch_teacher(server: Any, **changes: Any) -> Any:
    return http_teacher(server, batch=True, poll_seconds=0.05, **changes)


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_that_misbehaves_is_collected_and_only_what_is_missing_is_sent_again(tmp_path: Path, name: str) -> None:
    batch, attempts = BATCHES[name]
    place = Place(tmp_path, questions(6))
    with serve(answer, calls=batch.calls) as server:
        figures = place.teach(batch_teacher(server), Budget(queries=20))
        assert covers(place.total(), billed(server.books, Decimal(1)))
        assert all(line.batch for line in server.books)
    assert figures["replies"] == 6
    assert figures["attempts"] == attempts
    assert len(server.books) == 6 + attempts.get("unknown", 0)


def test_a_batch_that_fails_validation_costs_nothing_and_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(4))
    failing = Batch(batch=Fault("batch_failed"))
    with serve(answer, calls=lambda number, where: failing.faults.get(where)) as server:
        with pytest.raises(UserError, match="none of 4 requests was answered"):
            place.teach(batch_teacher(server, attempts=2), Budget(queries=20))
        assert server.books == []
    assert place.total().usd_micros == 0


def test_items_of_a_batch_that_fail_are_asked_again_alone(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(6))
    with serve(answer, fault=once(Fault("status", 500), 2, 3)) as server:
        figures = place.teach(batch_teacher(server), Budget(queries=20))
        assert set(times_billed(server.books).values()) == {1}
    assert figures["replies"] == 6
    assert figures["queries"] == 8


def test_a_batch_buys_the_best_questions_that_fit_and_then_what_its_savings_allow(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(40))
    with serve(answer) as server:
        figures = place.teach(batch_teacher(server), Budget(output_tokens=600))
        assert covers(place.total(), billed(server.books))
    bought = figures["replies"]
    assert place.replies() == [f"q{n}" for n in range(39, 39 - bought, -1)]
    assert figures["ended_by"] == "output_tokens"
    assert figures["output_tokens"] <= 600 < figures["output_tokens"] + 256


def test_the_batch_share_of_the_run_file_is_what_is_charged(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(4))
    prices = {"m": {"input": "0.15", "output": "0.60", "batch": "0.5"}}
    with serve(answer) as server:
        figures = place.teach(batch_teacher(server, prices=prices), Budget(usd=Decimal(1)))
        real = billed(server.books, Decimal("0.5"))
    assert 0 <= Decimal(figures["usd"]) * 10**6 - real.usd_micros <= 4
    assert figures["planned"]["mode"] == "batch"
