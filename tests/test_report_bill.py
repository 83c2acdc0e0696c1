"""The bill in the report: planned against charged, as a real teach stage leaves its figures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge_distill.config import Budget, CapSettings, Price, StudyBudget, Teacher
from bridge_distill.report import summarise, write_report
from bridge_distill.report.words import count, money
from bridge_distill.teacher import serve
from bridge_distill.teacher.loopback import Fault, FaultFn
from bridge_distill.teacher.providers import Answer, Request
from classroom import CANARY, PRICE, Place, answer, http_teacher, once, questions, recorded
from pages import Page

HOSTILE = "</script><script>alert(1)</script><img src='https://evil.example/x.png' onerror=alert(2)>"
REPLAY = Teacher(provider="replay", prices={"replay": PRICE})


def reported(place: Place, figures: dict[str, Any], arms: dict[str, Any] | None = None) -> Page:
    """The page of a run whose teach stage has just ended with these figures."""
    facts = {"name": "billed", "config": {}, "plan": ["teach"], "stages": {"teach": "teach"}, "arms": arms or {}}
    (place.root / "run.json").write_text(json.dumps(facts))
    (place.root / "teach" / "record.json").write_text(json.dumps({"stage": "teach", "figures": figures}))
    return Page.read(write_report(place.root))


def bought(
    root: Path,
    number: int,
    fault: FaultFn | None = None,
    say: Callable[[Request], Answer] = answer,
    budget: Budget | None = None,
    **changes: Any,
) -> Page:
    """The page after so many questions were asked over a socket that misbehaves."""
    place = Place(root, questions(number))
    with serve(say, key=CANARY, fault=fault) as server:
        teacher = http_teacher(server, **{"concurrency": 1, **changes})
        return reported(place, place.teach(teacher, budget or Budget(queries=50)))


def test_planned_and_charged_stand_side_by_side_with_the_cap(tmp_path: Path) -> None:
    place = Place(tmp_path, recorded(6))
    figures = place.teach(REPLAY, Budget(queries=40, usd=Decimal("0.05")))
    page = reported(place, figures)
    planned = figures["planned"]["modes"]["direct"]
    expected, worst = planned["expected"], planned["worst"]
    start = page.rows.index(["Counted", "Expected", "At most", "Charged", "Cap"])
    assert page.rows[start + 1 : start + 5] == [
        ["Requests", "6", "6", "6", "40"],
        *(
            [name, count(expected[unit]), count(worst[unit]), count(figures[unit]), "none"]
            for unit, name in (("input_tokens", "Input tokens"), ("output_tokens", "Output tokens"))
        ),
        ["US dollars", money(expected["usd"]), money(worst["usd"]), money(figures["usd"]), "$0.05"],
    ]
    assert "Planned: 6 requests, sent one by one." in page.text
    assert "expected by a rule of thumb." in page.text
    assert "Much more was charged" not in page.text
    assert "ledger reconcile" not in page.text
    assert "#bill" in {found.get("href") for tag, found in page.tags if tag == "a"}


def test_the_summary_holds_the_plan_and_what_was_charged_since(tmp_path: Path) -> None:
    place = Place(tmp_path, recorded(6))
    figures = place.teach(REPLAY, Budget(queries=40))
    reported(place, figures)
    bill, mode = summarise(tmp_path)["teacher"], figures["planned"]["modes"]["direct"]
    units = ("queries", "input_tokens", "output_tokens", "usd")
    assert bill["charged"] == {unit: figures[unit] for unit in units}
    assert {key: bill["planned"][key] for key in ("requests", "expected", "worst")} == {
        key: mode[key] for key in ("requests", "expected", "worst")
    }
    assert bill["planned"]["caps"] == {"run": figures["planned"]["caps"]["run"]}
    assert bill["attempts"] == {"settled": 6}


def test_replies_longer_than_expected_are_said_to_be_the_reason(tmp_path: Path) -> None:
    place = Place(tmp_path, recorded(6))
    page = reported(place, place.teach(REPLAY.model_copy(update={"max_words": 4}), Budget(queries=6)))
    row = next(row for row in page.rows if row[0] == "Output tokens")
    assert row[3].endswith(" × expected")
    assert "Much more was charged than expected: output tokens (" in page.text
    assert "Replies were longer than expected:" in page.text
    assert "tokens on average, not 6." in page.text
    assert "Prompts were longer" not in page.text
    assert "worst case until" not in page.text


def test_requests_that_nobody_can_account_for_are_told_with_the_command_that_closes_them(tmp_path: Path) -> None:
    page = bought(tmp_path, 2, once(Fault("reset", billed=True), 0, 2), attempts=3)
    assert ["Requests", "2", "2", "4\n2.0 × expected", "50"] in page.rows
    assert "Nobody knows whether 2 requests were billed." in page.text
    assert "bridge-distill ledger reconcile RUNFILE" in page.text
    assert "2 requests without a known outcome are charged at the worst case." in page.text


def test_refusals_are_said_to_be_the_reason_for_more_requests(tmp_path: Path) -> None:
    busy = Fault("status", status=429, headers={"retry-after-ms": "1"})
    page = bought(tmp_path, 2, once(busy, 0, 1, 2), attempts=4)
    assert "Much more was charged than expected: requests (2.5 × expected)." in page.text
    assert "3 requests were refused by the provider: that counts, but costs nothing." in page.text
    assert "worst case until" not in page.text


def test_the_model_that_answered_is_told_where_it_is_another(tmp_path: Path) -> None:
    page = bought(tmp_path / "another", 3, once(Fault("wrong_model"), 0))
    assert "Asked for was m; the provider says that the answers came from another-model (1 reply), m (2 replies)." in (
        page.text
    )
    assert "Asked for was" not in bought(tmp_path / "same", 3).text


def test_a_hostile_provider_writes_text_only(tmp_path: Path) -> None:
    def say(request: Request) -> Answer:
        found = answer(request)
        return Answer(found.text, found.finish, found.input_tokens, found.output_tokens, HOSTILE)

    page = bought(tmp_path, 3, once(Fault("status", status=400, message=HOSTILE), 0), say)
    assert f"Asked for was m; the provider says that the answers came from {HOSTILE} (2 replies)." in page.text
    assert f"1 request failed: refused (HTTP 400): {HOSTILE} (1)." in page.text
    assert len(page.scripts) == 3
    assert not [tag for tag, _ in page.tags if tag == "img"]


def test_the_cap_that_ended_buying_is_named_at_its_level(tmp_path: Path) -> None:
    study = StudyBudget(name="s", input_tokens=600)
    budget = Budget(queries=50, study=study, store=CapSettings(usd=Decimal(2)))
    page = bought(tmp_path, 12, budget=budget)
    assert ["Counted", "Expected", "At most", "Charged", "Cap", "Cap of the study", "Cap of the store"] in page.rows
    assert next(row for row in page.rows if row[0] == "Input tokens")[4:] == ["none", "600", "none"]
    assert next(row for row in page.rows if row[0] == "US dollars")[4:] == ["none", "none", "$2.00"]
    assert (
        "The cap budget.study.input_tokens ended it, as the plan foresaw: one more request might have passed it; "
        in (page.text)
    )
    assert "budget.study.input_tokens spent" in page.text, "the card of the flow says it too"


def test_requests_without_a_reply_are_said_to_have_used_up_the_cap(tmp_path: Path) -> None:
    page = bought(tmp_path, 4, once(Fault("reset", billed=True), 0), budget=Budget(queries=4))
    assert "The cap budget.queries ended it: one more request might have passed it; 1 request was left unasked." in (
        page.text
    )
    assert "1 request without a reply counts under it too." in page.text


def test_a_batch_is_told_with_its_share_of_the_price(tmp_path: Path) -> None:
    half = Price(input=PRICE.input, output=PRICE.output, batch=Decimal("0.5"))
    page = bought(tmp_path, 3, batch=True, poll_seconds=0.01, prices={"m": half})
    assert "Planned: 3 requests, sent in batches at 50% of the price." in page.text


def test_what_was_bought_before_is_no_part_of_the_comparison(tmp_path: Path) -> None:
    place = Place(tmp_path, recorded(6))
    place.teach(REPLAY, Budget(queries=40))
    figures = place.teach(REPLAY.model_copy(update={"max_words": 70}), Budget(queries=40))
    page = reported(place, figures)
    assert figures["queries"] == 12
    assert ["Requests", "6", "6", "6", "40"] in page.rows
    assert "a rule of thumb and 6 replies seen before" in page.text
    assert "were charged to the run before this plan" in page.text
    assert "were charged to the store" not in page.text, "it has no cap"


def test_nothing_to_buy_is_said_and_not_tabled(tmp_path: Path) -> None:
    place = Place(tmp_path, recorded(6))
    place.teach(REPLAY, Budget(queries=40), run="before")
    page = reported(place, place.teach(REPLAY, Budget(queries=40)))
    assert "Nothing was bought: 6 replies in the store already." in page.text
    assert "Counted" not in [row[0] for row in page.rows]


def test_a_model_without_a_price_counts_no_dollars(tmp_path: Path) -> None:
    place = Place(tmp_path, recorded(3))
    page = reported(place, place.teach(Teacher(provider="replay"), Budget(queries=3)))
    assert "No price is known for this model, so it counts no US dollars." in page.text


def test_an_arm_that_bought_its_own_replies_has_its_own_bill(tmp_path: Path) -> None:
    place = Place(tmp_path, recorded(6))
    figures = place.teach(REPLAY, Budget(queries=40))
    reported(place, figures)
    shutil.copytree(tmp_path / "teach", tmp_path / "arms" / "random" / "teach")
    arms = {"random": {"teach": "arms/random/teach"}, "direct": {"teach": "teach"}}
    page = reported(place, figures, arms)
    assert page.text.count("Planned: 6 requests") == 2
    assert "Arm “random”" in page.text
    assert "Arm “direct”" not in page.text
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("known", [{}, {"attempts": {"settled": 5, "unknown": 1}}])
def test_a_run_from_before_plans_were_kept_still_renders(tmp_path: Path, known: dict[str, Any]) -> None:
    place = Place(tmp_path, recorded(6))
    new = place.teach(REPLAY, Budget(queries=40))
    old = ("queries", "input_tokens", "output_tokens", "usd", "from_store", "failed", "unasked", "exhausted")
    page = reported(place, {key: new[key] for key in old} | known)
    assert ("bill" in page.ids) is bool(known)
    assert ("Nobody knows whether 1 request was billed. It stays charged" in page.text) is bool(known)
    assert "planned" not in summarise(tmp_path)["teacher"]
