"""The teach stage over a real socket: budgets, faults, crashes, secrets."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge_distill import artifacts
from bridge_distill.config import Budget, Price, Teacher
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.records import Choice, Question
from bridge_distill.teacher import plan, serve, teach
from bridge_distill.teacher.budget import Caps, Spend
from bridge_distill.teacher.buying import Buyer, Terms
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.faults import Fault
from bridge_distill.teacher.jobs import jobs_of
from bridge_distill.teacher.judging import foreign_share
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.prices import Tariff
from bridge_distill.teacher.providers import Answer, NotBilled, Provider, Request, providers
from bridge_distill.teacher.scripted import Scripted, count_tokens
from bridge_distill.teacher.serve import FaultFn, Server
from bridge_distill.teacher.store import ReplyStore

CANARY = "sk-canary-5f1e0d"
PRICES = {"m": Price(input=Decimal("0.15"), output=Decimal("0.60"))}
RATIONALE = "First look at the subject. Then decide."


def questions(count: int) -> list[Question]:
    return [Question(f"q{n}", f"Is {n} even?", "yes_no", answer="no" if n % 2 else "yes") for n in range(count)]


def recorded(count: int) -> list[Question]:
    return [
        Question(q.id, q.text, q.form, answer=q.answer, recorded_rationale=f"{RATIONALE} ({q.id})")
        for q in questions(count)
    ]


def answer(request: Request) -> Answer:
    number = int(request.messages[-1]["content"].split()[1])
    text = f"{RATIONALE}\nAnswer: {'no' if number % 2 else 'yes'}"
    return Answer(text, "stop", sum(count_tokens(m["content"]) for m in request.messages), count_tokens(text))


class Place:
    """The folders of one run; the last question ranks first."""

    def __init__(self, root: Path, pool: list[Question]) -> None:
        self.root, self.pool = root, pool
        self.store = root / "store.sqlite"
        for name in ("data", "select", "teach"):
            (root / name).mkdir(exist_ok=True)
        write_rows(root / "data" / artifacts.TRAIN, Question, pool)
        last = len(pool) - 1
        rows = [Choice(q.id, True, last - index, None, "test") for index, q in enumerate(pool)]
        write_rows(root / "select" / artifacts.CHOICES, Choice, rows)

    def teach(self, teacher: Teacher, budget: Budget, scope: str = "run") -> dict[str, Any]:
        root = self.root
        return teach(teacher, budget, scope, root / "data", root / "select", self.store, root / "teach")

    def replies(self) -> list[str]:
        return [reply.question_id for reply in artifacts.replies(self.root / "teach")]


def http_teacher(server: Server, **changes: Any) -> Teacher:
    options = {"model": "m", "base_url": server.base_url, "api_key": CANARY, "prices": PRICES, **changes}
    return Teacher(**options)


def once(fault: Fault, *numbers: int) -> FaultFn:
    return lambda number, request: fault if number in numbers else None


def books(server: Server) -> Spend:
    tariff = Tariff("m", PRICES["m"], "test")
    inputs = sum(line.input_tokens for line in server.books)
    outputs = sum(line.output_tokens for line in server.books)
    price = tariff.price
    assert price is not None
    return Spend(len(server.books), inputs, outputs, int(price.input * inputs + price.output * outputs))


def ledger_total(store: Path, scope: str = "run") -> Spend:
    with Database(store) as database:
        return Ledger(database).total(scope)


def covers(spend: Spend, billed: Spend) -> bool:
    left = spend - billed
    return min(left.queries, left.input_tokens, left.output_tokens, left.usd_micros) >= 0


def test_replies_in_order_of_choice_exact_money_and_no_second_payment(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(12))
    with serve(answer, key=CANARY) as server:
        first = place.teach(http_teacher(server), Budget(queries=50))
        order = place.replies()
        again = place.teach(http_teacher(server), Budget(queries=50))
        other = place.teach(http_teacher(server), Budget(queries=1), scope="another")
        billed = books(server)
    assert order == place.replies() == [f"q{n}" for n in range(11, -1, -1)]
    assert (first["queries"], first["input_tokens"], first["output_tokens"]) == (
        12,
        billed.input_tokens,
        billed.output_tokens,
    )
    assert 0 <= Decimal(first["usd"]) * 10**6 - billed.usd_micros < 12
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
        assert covers(ledger_total(place.store), books(server))
    bought = figures["replies"]
    assert place.replies() == [f"q{n}" for n in range(39, 39 - bought, -1)]
    assert figures["exhausted"] is True
    assert figures["unasked"] == 40 - bought
    if budget.queries:
        assert bought == 5
    else:
        used = figures["output_tokens"]
        assert used <= 600 < used + 256


FAULTS = {
    "429": (Fault("status", 429, {"Retry-After": "0"}), "refused"),
    "500 before the work": (Fault("status", 500, {"Retry-After": "0"}), "unknown"),
    "500 after the work": (Fault("status", 500, {"Retry-After": "0"}, billed=True), "unknown"),
    "reset before the work": (Fault("reset"), "unknown"),
    "reset after the work": (Fault("reset", billed=True), "unknown"),
    "hang": (Fault("hang", billed=True), "unknown"),
    "garbage": (Fault("garbage", billed=True), "unknown"),
    "html": (Fault("html", billed=True), "unknown"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_passing_fault_is_retried_and_every_attempt_is_in_the_books(tmp_path: Path, name: str) -> None:
    fault, outcome = FAULTS[name]
    place = Place(tmp_path, questions(3))
    with serve(answer, fault=once(fault, 1)) as server:
        figures = place.teach(http_teacher(server, timeout=3.0), Budget(queries=9))
        assert covers(ledger_total(place.store), books(server))
    assert figures["replies"] == 3
    assert figures["attempts"] == {outcome: 1, "settled": 3}
    assert figures["queries"] == 4
    assert figures["failed"] == []


def test_missing_usage_is_charged_at_its_bound(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(1))
    with serve(answer, fault=once(Fault("no_usage", billed=True), 0)) as server:
        figures = place.teach(http_teacher(server, max_output_tokens=200), Budget(queries=1))
        assert covers(ledger_total(place.store), books(server))
    assert figures["output_tokens"] == 200
    assert figures["rationales"] == {"kept": 1}


def test_empty_choices_are_a_paid_empty_reply(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(2))
    with serve(answer, fault=once(Fault("empty_choices", billed=True), 0)) as server:
        figures = place.teach(http_teacher(server), Budget(queries=2))
    assert figures["rationales"] == {"empty": 1, "kept": 1}


def test_a_refused_request_is_listed_and_the_others_go_on(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(4))
    with serve(answer, fault=once(Fault("status", 400), 1)) as server:
        figures = place.teach(http_teacher(server, concurrency=1), Budget(queries=9))
    assert figures["failed"] == [{"question": "q2", "sample": 0, "reason": "refused (HTTP 400): planned fault"}]
    assert figures["replies"] == 3


@pytest.mark.parametrize(
    ("status", "pattern"),
    [
        (401, r"teacher\.api_key: .*refused the key"),
        (403, r"teacher\.api_key: .*refused the key"),
        (402, r"teacher\.api_key: .*no credit"),
        (404, r"teacher\.(model|base_url): .*knows no model 'm'"),
    ],
)
def test_a_refusal_that_all_share_stops_at_once(tmp_path: Path, status: int, pattern: str) -> None:
    place = Place(tmp_path, questions(20))
    refuse = Fault("status", status)
    with serve(answer, fault=lambda number, request: refuse) as server, pytest.raises(UserError, match=pattern):
        place.teach(http_teacher(server, concurrency=2), Budget(queries=20))
    assert ledger_total(place.store).usd_micros == 0
    assert ledger_total(place.store).queries <= 3


def test_a_failing_server_stops_the_run_which_then_goes_on_from_what_was_bought(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(20))
    down = Fault("status", 503, {"Retry-After": "0"})
    with serve(answer, fault=lambda number, request: down if number >= 6 else None) as server:
        with pytest.raises(UserError, match=r"5 requests in a row failed.*HTTP 503.*what was bought is kept"):
            place.teach(http_teacher(server, concurrency=1, attempts=2), Budget(queries=60))
        assert len(server.books) == 6
    with serve(answer) as server:
        figures = place.teach(http_teacher(server), Budget(queries=60))
        assert len(server.books) == 14
    assert figures["replies"] == 20
    assert figures["attempts"] == {"settled": 20, "unknown": 10}


def test_nobody_listening_is_an_error_and_costs_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(2))
    with serve(answer) as server:
        closed = http_teacher(server, attempts=1)
    with pytest.raises(UserError, match=r"none of 2 requests was answered.*no connection to 127\.0\.0\.1"):
        place.teach(closed, Budget(queries=2))
    assert ledger_total(place.store) == Spend()


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
        ({"api_key": None}, r"teacher\.api_key.*OPENAI_API_KEY"),
        ({"api_key": f"{CANARY}\nX: y"}, r"teacher\.api_key"),
        ({"provider": "opnai"}, r"teacher\.provider.*did you mean 'openai'"),
    ],
)
def test_bad_settings_stop_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], pattern: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
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
        place.teach(http_teacher(server, temperature=0.5), Budget(queries=20), scope="refused")
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
        return [asyncio.run(provider.ask(job.request)).text for job in jobs]

    sound, erring = replies(0.0), replies(0.5)
    assert sound == replies(0.0)
    assert len(set(sound)) > len(pool)
    changed = sum(a.splitlines()[-1] != b.splitlines()[-1] for a, b in zip(sound, erring, strict=True))
    assert 30 <= changed <= 90


@pytest.mark.parametrize("name", providers.names())
def test_every_provider_keeps_the_contract(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    teacher = Teacher(provider=name, model="m")
    pool = recorded(2)
    provider: Provider = providers.get(name, "test")(teacher, pool)
    [job, _] = jobs_of(teacher, provider, pool)
    [same, _] = jobs_of(teacher, providers.get(name, "test")(teacher, pool), pool)
    [warmer, _] = jobs_of(Teacher(provider=name, model="m", max_output_tokens=9), provider, pool)
    assert (provider.family, provider.model) == (name, "m")
    assert job.hash == same.hash != warmer.hash
    text = "naïve 中文 🙂 " * 20
    assert provider.worst_input_tokens([{"role": "user", "content": text}]) >= len(text.encode())
    if isinstance(provider, Scripted) and name == "replay":
        got = asyncio.run(provider.ask(job.request))
        assert got.input_tokens <= provider.worst_input_tokens(job.request.messages)
        assert got.output_tokens <= job.request.max_output_tokens


def test_a_plan_bounds_what_is_then_paid_and_knows_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    place = Place(tmp_path, questions(10))
    ranked, budget = place.pool[::-1], Budget(queries="60%", usd=Decimal(1))
    with serve(answer) as server:
        teacher = http_teacher(server)
        before = plan(teacher.model_copy(update={"api_key": None}), budget, "run", ranked, 10, place.store)
        assert not place.store.exists()
        assert server.books == []
        figures = place.teach(teacher, budget)
        after = plan(teacher, Budget(queries=20), "next", ranked, 10, place.store)
    assert (before["requests"], before["stopped_by"], before["from_store"]) == (6, "queries", 0)
    assert before["caps"] == {"queries": 6, "input_tokens": None, "output_tokens": None, "usd": "1.000000"}
    assert Decimal(before["worst"]["usd"]) >= Decimal(figures["usd"])
    assert Decimal(before["worst"]["usd"]) >= Decimal(before["expected"]["usd"]) > 0
    assert (after["from_store"], after["requests"], after["stopped_by"]) == (6, 4, None)


def test_cancelling_keeps_what_may_be_billed_charged_and_nothing_else(tmp_path: Path) -> None:
    teacher = Teacher(model="m", concurrency=3)
    started = asyncio.Event()

    class Silent(Scripted):
        def reply(self, text: str, sample: int) -> str | None:
            return None

        async def ask(self, request: Request) -> Answer:
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
        terms = Terms("run", Tariff("m", None, "test"), Caps(queries=5))
        asyncio.run(cancelled(Buyer(provider, ledger, ReplyStore(database), terms, teacher)))
        notes = database.rows("SELECT outcome, note FROM attempts")
        assert {tuple(row) for row in notes} == {("unknown", "CancelledError")}
        assert ledger.total("run").queries == len(notes) <= 3


CHILD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from bridge_distill.config import Budget, Price, Teacher
    from bridge_distill.teacher import teach
    root, url = Path(sys.argv[1]), sys.argv[2]
    prices = {"m": Price(input="0.15", output="0.6")}
    teacher = Teacher(model="m", base_url=url, api_key="k", concurrency=4, prices=prices)
    budget, store = Budget(queries=100, usd="1"), root / "store.sqlite"
    teach(teacher, budget, "run", root / "data", root / "select", store, root / "teach")
    """
)


def test_killed_at_random_moments_every_question_is_answered_in_the_end(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(60))
    draw = random.Random(7)
    # Further apart than the requests in flight, so that one moment never takes two kills.
    kill_at = iter([start + draw.randrange(6) for start in (2, 16, 30, 44)])
    state: dict[str, Any] = {"next": next(kill_at), "child": None}

    def kill(number: int, request: Request) -> Fault | None:
        if state["next"] is None or number < state["next"]:
            return None
        state["next"] = next(kill_at, None)
        state["child"].kill()
        return Fault("reset", billed=draw.random() < 0.5)

    codes = []
    with serve(answer, fault=kill) as server:
        while 0 not in codes and len(codes) < 8:
            state["child"] = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), server.base_url])
            codes.append(state["child"].wait(60))
        billed, per_question = books(server), Counter(line.question for line in server.books)
    assert codes == [-signal.SIGKILL] * 4 + [0]
    assert sorted(place.replies()) == sorted(question.id for question in place.pool)
    total = ledger_total(place.store)
    assert covers(total, billed)
    assert total.queries <= 100
    # Only what was in flight at a kill, at most four requests each time, may be billed again.
    assert sum(count - 1 for count in per_question.values()) <= 4 * 4
    assert max(per_question.values()) <= 1 + 4
    with sqlite3.connect(place.store) as link:
        assert link.execute("PRAGMA integrity_check").fetchone() == ("ok",)
