"""The teach stage over a real socket: order, budgets, refusals, secrets."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge_distill import artifacts
from bridge_distill.config import Budget, CapSettings, Price, StudyBudget, Teacher
from bridge_distill.errors import UserError
from bridge_distill.records import Question
from bridge_distill.teacher import plan, serve
from bridge_distill.teacher.budget import Caps, Limits, Payer, Spend
from bridge_distill.teacher.buying import Buyer
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.desk import Desk
from bridge_distill.teacher.jobs import jobs_of
from bridge_distill.teacher.judging import foreign_share
from bridge_distill.teacher.ledger import Ledger, Terms
from bridge_distill.teacher.loopback import Fault
from bridge_distill.teacher.prices import Tariff
from bridge_distill.teacher.providers import Answer, NotBilled, Request, providers
from bridge_distill.teacher.scripted import Scripted
from bridge_distill.teacher.store import ReplyStore
from classroom import (
    CANARY,
    KEY_ENV,
    RATIONALE,
    Place,
    answer,
    billed,
    covers,
    http_teacher,
    once,
    questions,
    recorded,
)


def test_replies_in_order_of_choice_exact_money_and_no_second_payment(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(12))
    with serve(answer, key=CANARY) as server:
        first = place.teach(http_teacher(server), Budget(queries=50))
        order = place.replies()
        again = place.teach(http_teacher(server), Budget(queries=50))
        other = place.teach(http_teacher(server), Budget(queries=1), run="another")
        real = billed(server.books)
    assert order == place.replies() == [f"q{n}" for n in range(11, -1, -1)]
    assert (first["queries"], first["input_tokens"], first["output_tokens"]) == (
        12,
        real.input_tokens,
        real.output_tokens,
    )
    assert 0 <= Decimal(first["usd"]) * 10**6 - real.usd_micros < 12
    assert again == first
    assert (other["queries"], other["usd"], other["from_store"]) == (0, "0.000000", 12)
    assert first["rationales"] == {"kept": 12}
    rationale = artifacts.rationales(tmp_path / "teach")[0]
    assert (rationale.text, rationale.answer, rationale.author) == (f"{RATIONALE}\nAnswer: no", "no", "expert")


@pytest.mark.parametrize(
    ("budget", "concurrency"),
    [(Budget(queries=5), 1), (Budget(queries=5), 8), (Budget(output_tokens=600), 1), (Budget(output_tokens=600), 8)],
)
def test_a_spent_budget_is_a_normal_end_with_the_best_questions_bought(
    tmp_path: Path, budget: Budget, concurrency: int
) -> None:
    place = Place(tmp_path, questions(40))
    with serve(answer) as server:
        figures = place.teach(http_teacher(server, concurrency=concurrency), budget)
        assert covers(place.total(), billed(server.books))
    bought = figures["replies"]
    assert place.replies() == [f"q{n}" for n in range(39, 39 - bought, -1)]
    assert figures["exhausted"] is True
    assert figures["unasked"] == 40 - bought
    if budget.queries:
        assert bought == 5
    else:
        used = figures["output_tokens"]
        assert used <= 600 < used + 256


def test_a_refused_request_is_listed_and_the_others_go_on(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(4))
    with serve(answer, fault=once(Fault("status", 400), 1)) as server:
        figures = place.teach(http_teacher(server, concurrency=1), Budget(queries=9))
    assert figures["failed"] == [{"question": "q2", "sample": 0, "reason": "refused (HTTP 400): planned fault"}]
    assert figures["replies"] == 3


@pytest.mark.parametrize(
    ("status", "pattern"),
    [
        (401, r"teacher\.key_env: .*refused the key"),
        (403, r"teacher\.key_env: .*refused the key"),
        (402, r"teacher\.key_env: .*no credit"),
        (404, r"teacher\.(model|base_url): .*knows no model 'm'"),
    ],
)
def test_a_refusal_that_all_share_stops_at_once(tmp_path: Path, status: int, pattern: str) -> None:
    place = Place(tmp_path, questions(20))
    refuse = Fault("status", status)
    with serve(answer, fault=lambda number, request: refuse) as server, pytest.raises(UserError, match=pattern):
        place.teach(http_teacher(server, concurrency=2), Budget(queries=20))
    assert place.total().usd_micros == 0
    assert place.total().queries <= 3


def test_a_failing_server_stops_the_run_which_then_goes_on_from_what_was_bought(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(20))
    down = Fault("status", 503, {"Retry-After": "0"})
    with serve(answer, fault=lambda number, request: down if number >= 6 else None) as server:
        with pytest.raises(UserError, match=r"20 requests in a row failed.*HTTP 503.*what was bought is kept"):
            place.teach(http_teacher(server, concurrency=1, attempts=2), Budget(queries=60))
        assert len(server.books) == 6
    with serve(answer) as server:
        figures = place.teach(http_teacher(server), Budget(queries=60))
        assert len(server.books) == 14
    assert figures["replies"] == 20
    assert (figures["attempts"]["settled"], figures["attempts"]["unknown"]) == (20, 20)


def test_nobody_listening_is_an_error_and_costs_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(2))
    with serve(answer) as server:
        closed = http_teacher(server, attempts=1)
    with pytest.raises(UserError, match=r"none of 2 requests was answered.*no connection to 127\.0\.0\.1"):
        place.teach(closed, Budget(queries=2))
    assert place.total() == Spend()


def test_too_little_for_one_request_names_the_cap(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(2))
    with serve(answer) as server, pytest.raises(UserError, match=r"budget\.usd: .*too little"):
        place.teach(http_teacher(server), Budget(usd=Decimal("0.000002")))
    assert server.books == []


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"model": None}, r"teacher\.model"),
        ({"base_url": "ftp://127.0.0.1/v1"}, r"teacher\.base_url.*http"),
        ({"base_url": "127.0.0.1:80"}, r"teacher\.base_url.*http"),
        ({"base_url": f"http://user:{CANARY}@127.0.0.1/v1"}, r"teacher\.base_url"),
        ({"key_env": None}, r"teacher\.key_env.*OPENAI_API_KEY"),
        ({"key_env": "EMPTY_KEY"}, r"teacher\.key_env.*EMPTY_KEY"),
        ({"key_env": "BAD_KEY"}, r"teacher\.key_env"),
        ({"key_env": None, "key_command": "no-such-program"}, r"teacher\.key_command"),
        ({"provider": "opnai"}, r"teacher\.provider.*did you mean 'openai'"),
        ({"provider": "expert", "batch": True}, r"teacher\.batch.*no batch API"),
        ({"tokens_per_minute": 200}, r"teacher\.tokens_per_minute: 200 is not above"),
    ],
)
def test_bad_settings_stop_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], pattern: str
) -> None:
    monkeypatch.setenv("BAD_KEY", f"{CANARY}\nX: y")
    place = Place(tmp_path, questions(2))
    with serve(answer) as server:
        with pytest.raises(UserError, match=pattern) as caught:
            place.teach(http_teacher(server, **changes), Budget(queries=2))
        assert server.books == []
    assert CANARY not in str(caught.value)


def test_the_key_is_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path, questions(6))

    def echo(request: Request) -> Answer:
        if request.messages[-1]["content"] == "Is 3 even?":
            raise NotBilled(f"you sent {CANARY}")
        return answer(request)

    with serve(echo) as server:
        figures = place.teach(http_teacher(server), Budget(queries=9))
    assert [entry["reason"] for entry in figures["failed"]] == ["refused (HTTP 400): you sent [key]"]
    with serve(answer, key="another") as server, pytest.raises(UserError) as caught:
        place.teach(http_teacher(server, temperature=0.5), Budget(queries=20), run="refused")
    error: BaseException | None = caught.value
    while error is not None:
        assert CANARY not in repr(error)
        error = error.__cause__ or error.__context__
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(written) >= 4
    assert not [file for file in written if CANARY.encode() in file.read_bytes()]
    assert CANARY not in str(figures)
    assert CANARY not in "".join(capfd.readouterr())


REPLIES = {
    "kept": f"{RATIONALE}\n**Answer:** no",
    "empty": "  \n",
    "no answer line": "It is odd, so no.",
    "wrong answer form": f"{RATIONALE}\nAnswer: perhaps",
    "disagrees with gold": f"{RATIONALE}\nAnswer: yes",
    "another language": "Число делится с остатком, значит нет.\nAnswer: no",
    "too long": "word " * 300 + "\nAnswer: no",
    "no explanation": "Answer: no",
}


@pytest.mark.parametrize("reason", REPLIES)
def test_each_flaw_of_a_reply_is_named(tmp_path: Path, reason: str) -> None:
    place = Place(tmp_path, [Question("q1", "Is 1 even?", "yes_no", answer="no")])
    with serve(lambda request: Answer(REPLIES[reason], "stop", 5, 5)) as server:
        figures = place.teach(http_teacher(server), Budget(queries=1))
    [rationale] = artifacts.rationales(tmp_path / "teach")
    assert figures["rationales"] == {reason: 1}
    assert rationale.kept == (reason == "kept")
    assert rationale.reason == ("" if rationale.kept else reason)


def test_a_reply_cut_off_is_kept_on_disk_but_not_for_learning(tmp_path: Path) -> None:
    place = Place(tmp_path, recorded(2))
    figures = place.teach(Teacher(provider="replay", max_output_tokens=5), Budget(queries=2))
    assert figures["rationales"] == {"cut off": 2}
    assert all(reply.output_tokens == 5 for reply in artifacts.replies(tmp_path / "teach"))


def test_foreign_letters_are_counted_among_letters() -> None:
    assert foreign_share("café 12 + 3 %") == 0
    assert foreign_share("да ok") == 0.5
    assert foreign_share("123") == 0


def test_replay_in_process_is_charged_like_any_other_and_notices_an_edited_recording(tmp_path: Path) -> None:
    prices = {"replay": Price(input=Decimal(1), output=Decimal(2))}
    teacher = Teacher(provider="replay", prices=prices)
    pool = recorded(3)
    figures = Place(tmp_path, pool).teach(teacher, Budget(usd=Decimal("0.01")))
    assert figures["queries"] == 3
    exact = figures["input_tokens"] + 2 * figures["output_tokens"]
    assert Decimal(figures["usd"]) * 10**6 == exact
    edited = [*pool[:2], Question("q2", pool[2].text, "yes_no", answer="yes", recorded_rationale="New.\nAnswer: yes")]
    assert Place(tmp_path, edited).teach(teacher, Budget(queries=9))["queries"] == 4
    assert artifacts.replies(tmp_path / "teach")[0].text == "New.\nAnswer: yes"


def test_questions_of_the_same_wording_are_paid_for_once(tmp_path: Path) -> None:
    twins = [Question(name, "Is 4 even?", "yes_no", answer="yes") for name in ("a", "b")]
    place = Place(tmp_path, twins)
    with serve(answer) as server:
        figures = place.teach(http_teacher(server), Budget(queries=5))
        assert len(server.books) == 1
    assert (figures["replies"], figures["queries"]) == (2, 1)


def test_samples_are_requests_of_their_own(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(3))
    with serve(answer) as server:
        figures = place.teach(http_teacher(server, samples=2), Budget(queries=5))
    replies = artifacts.replies(tmp_path / "teach")
    assert [(reply.question_id, reply.sample) for reply in replies] == [
        ("q2", 0),
        ("q2", 1),
        ("q1", 0),
        ("q1", 1),
        ("q0", 0),
    ]
    assert figures["unasked"] == 1


def test_the_expert_is_deterministic_and_errs_as_often_as_told() -> None:
    from bridge_distill import practice

    pool = practice.from_spec("practice:legal?n=60&seed=3")
    member = providers.get("expert", "test")

    def replies(error_rate: float) -> list[str]:
        provider = member(Teacher(provider="expert", error_rate=error_rate), pool)
        jobs = jobs_of(Teacher(provider="expert", samples=2), provider, pool)
        return [asyncio.run(provider.ask(job.request, "")).text for job in jobs]

    sound, erring = replies(0.0), replies(0.5)
    assert sound == replies(0.0)
    assert len(set(sound)) > len(pool)
    changed = sum(a.splitlines()[-1] != b.splitlines()[-1] for a, b in zip(sound, erring, strict=True))
    assert 30 <= changed <= 90


def test_a_plan_bounds_what_is_then_paid_and_knows_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, questions(10))
    ranked, budget = place.pool[::-1], Budget(queries="60%", usd=Decimal(1), store=CapSettings(queries=9))
    with serve(answer) as server:
        teacher = http_teacher(server)
        with monkeypatch.context() as without_key:
            without_key.delenv(KEY_ENV)
            before = plan(teacher, budget, "run", [], 10, ranked, place.store)
        assert not place.store.exists()
        assert server.books == []
        figures = place.teach(teacher, budget)
        after = plan(teacher, Budget(queries=20), "next", [], 10, ranked, place.store)
    cost = before["modes"]["direct"]
    assert (cost["requests"], cost["stopped_by"], before["from_store"]) == (6, "queries", 0)
    assert before["caps"]["run"] == {"queries": 6, "input_tokens": None, "output_tokens": None, "usd": "1.000000"}
    assert before["caps"]["store"]["queries"] == 9
    assert Decimal(cost["worst"]["usd"]) >= Decimal(figures["usd"])
    assert Decimal(cost["worst"]["usd"]) >= Decimal(cost["expected"]["usd"]) > 0
    assert figures["planned"] == before
    later = after["modes"]["direct"]
    assert (after["from_store"], later["requests"], later["stopped_by"]) == (6, 4, None)
    # Six replies of about 20 tokens pull the rule of thumb, 112 tokens, down.
    assert later["expected"]["output_tokens"] / 4 < cost["expected"]["output_tokens"] / 6
    assert after["replies_seen"] == 6


def test_before_questions_are_chosen_a_plan_prices_average_ones_and_bounds_by_the_longest(tmp_path: Path) -> None:
    pool = [Question(f"q{n}", f"Is {n} even?" + " Really?" * n, "yes_no") for n in range(100)]
    teacher = Teacher(model="gpt-4o-mini")

    def cost(asked: int | list[Question]) -> dict[str, Any]:
        found = plan(teacher, Budget(queries=200), "run", iter(pool), 100, asked, tmp_path / "none.sqlite")
        assert found["modes"]["direct"]["requests"] == (asked if isinstance(asked, int) else len(asked))
        return dict(found["modes"]["direct"])

    unchosen, everything, longest = cost(10), cost(pool), cost(pool[:-11:-1])
    assert unchosen["worst"] == longest["worst"]
    mean = everything["expected"]["input_tokens"] / 10
    assert abs(unchosen["expected"]["input_tokens"] - mean) <= 10


def test_a_plan_says_what_a_batch_would_cost_and_how_long_the_rate_limits_take(tmp_path: Path) -> None:
    teacher = Teacher(model="gpt-4o-mini", requests_per_minute=30, tokens_per_minute=10**6)
    found = plan(teacher, Budget(usd=Decimal(1)), "run", [], 60, questions(60), tmp_path / "none.sqlite")
    direct, batch = found["modes"]["direct"], found["modes"]["batch"]
    assert found["mode"] == "direct"
    assert batch["price_share"] == "0.5"
    assert Decimal(batch["worst"]["usd"]) <= Decimal(direct["worst"]["usd"]) / 2 + Decimal("0.000060")
    assert direct["seconds_at_limits"] == 120


def test_runs_of_a_study_and_of_a_store_share_caps(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(20))
    shared = Budget(queries=20, study=StudyBudget(name="s", queries=6), store=CapSettings(queries=9))
    with serve(answer) as server:
        teacher = http_teacher(server, samples=1)
        first = place.teach(teacher, Budget(queries=4, study=shared.study, store=shared.store), run="a")
        second = place.teach(teacher, shared, run="b")
        third = place.teach(teacher, Budget(queries=20, store=shared.store), run="c")
        assert len(server.books) == 9
    assert [figures["ended_by"] for figures in (first, second, third)] == ["queries", "study.queries", "store.queries"]
    assert [figures["queries"] for figures in (first, second, third)] == [4, 2, 3]


def test_cancelling_keeps_what_may_be_billed_charged_and_nothing_else(tmp_path: Path) -> None:
    teacher = Teacher(model="m", concurrency=3)
    started = asyncio.Event()

    class Silent(Scripted):
        def reply(self, text: str, sample: int) -> str | None:
            return None

        async def ask(self, request: Request, tag: str) -> Answer:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

    provider = Silent(teacher, [])
    jobs = jobs_of(teacher, provider, questions(10))

    async def cancelled(buyer: Buyer) -> None:
        task = asyncio.ensure_future(buyer.buy(jobs, lambda done=1: None))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Database(tmp_path / "store.sqlite") as database:
        ledger = Ledger(database)
        terms = Terms(Payer("run"), Tariff("m", None, "test"), Limits(Caps(queries=5)))
        with Desk(database) as desk:
            asyncio.run(cancelled(Buyer(provider, desk, ledger, ReplyStore(database), terms, teacher)))
        notes = [tuple(row) for row in database.rows("SELECT outcome, note FROM attempts")]
        sent = [note for note in notes if note[0] == "unknown"]
        assert set(sent) == {("unknown", "the process ended while it was under way")}
        assert {outcome for outcome, _ in notes} <= {"unknown", "released"}
        assert ledger.total(Payer("run")).queries == len(sent) <= 3


def test_rate_limits_are_kept_and_a_limit_told_to_one_holds_all_back(tmp_path: Path) -> None:
    place, arrivals = Place(tmp_path, questions(12)), []

    def note(number: int, request: Request) -> Fault | None:
        arrivals.append(time.monotonic())
        return Fault("status", 429, {"Retry-After": "0.5"}) if number == 3 else None

    with serve(answer, fault=note) as server:
        place.teach(http_teacher(server, requests_per_minute=1200, concurrency=8), Budget(queries=20))
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    assert len(arrivals) == 13
    # Lower bounds only: a loaded machine makes gaps longer, never the whole shorter.
    assert arrivals[-1] - arrivals[0] >= 12 * 0.05 * 0.9
    assert max(gaps) >= 0.4


@pytest.mark.parametrize("concurrency", [1, 8])
def test_while_the_provider_wants_to_be_left_alone_no_request_leaves(tmp_path: Path, concurrency: int) -> None:
    place, arrivals, all_there = Place(tmp_path, questions(12)), [], threading.Barrier(concurrency)

    def refuse_the_first(number: int, request: Request) -> Fault | None:
        arrivals.append(time.monotonic())
        if number >= concurrency:
            return None
        all_there.wait(30)
        return Fault("status", 429, {"Retry-After": "0.5"})

    with serve(answer, fault=refuse_the_first) as server:
        figures = place.teach(http_teacher(server, concurrency=concurrency), Budget(queries=30))
    assert figures["replies"] == 12
    assert arrivals[concurrency] - arrivals[concurrency - 1] >= 0.5


def test_the_model_that_answered_and_a_stale_reply_are_noticed(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(4))
    faults = {1: Fault("wrong_model"), 3: Fault("stale")}
    with serve(answer, model="m", fault=lambda number, request: faults.get(number)) as server:
        figures = place.teach(http_teacher(server, concurrency=1), Budget(queries=9))
        assert covers(place.total(), billed(server.books))
    assert figures["served_by"] == {"another-model": 1, "m": 3}
    assert figures["rationales"] == {"delivered twice": 1, "kept": 3}
