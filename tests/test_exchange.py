"""Replies from one store to another: nothing is lost, nothing is believed, nothing is paid twice."""

from __future__ import annotations

import json
import stat
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge_distill import artifacts
from bridge_distill.config import Budget, Teacher
from bridge_distill.records import Question
from bridge_distill.teacher import serve
from bridge_distill.teacher.budget import Payer, Spend
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.exchange import Imported, import_replies, reply_lines
from bridge_distill.teacher.providers import Answer, Request, providers
from bridge_distill.teacher.scripted import Scripted
from bridge_distill.teacher.store import ReplyStore, request_hash
from classroom import Place, answer, http_teacher, questions, recorded
from shop import Shop, fails, identity_of, says, shop, shows

# Any text at all, half surrogate pairs included, and texts that are awkward in files.
AWKWARD = [
    "",
    "\0",
    "a\0b",
    "\ud83d",
    "\udc00\ud83d",
    "😀 ünï",
    "\u2028\x85",
    "\r\n\t",
    "\ufeff",
    "\uffff",
    '"\\',
    "🏳️‍🌈" * 9,
]
any_text = st.text(st.characters(exclude_categories=[]), max_size=60) | st.sampled_from(AWKWARD)


def export(store: Path, *more: object) -> Path:
    out = store.with_suffix(".jsonl")
    says("replies", "export", store, "--out", out, "--force", *more)
    return out


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def imported(store: Path, file: Path) -> Imported:
    with Database(store) as database:
        return import_replies(database, file, pytest.fail)


def texts_of(store: Path, identities: list[str]) -> list[str]:
    with Database(store) as database:
        found = ReplyStore(database).get(map(request_hash, identities))
        return [found[request_hash(identity)].text for identity in identities]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(any_text, any_text, any_text), max_size=6))
def test_any_text_survives_the_way_to_another_store_and_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, replies: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("exchange")
    first, second = folder / "first.sqlite", folder / "second.sqlite"
    identities = [identity_of(number) for number in range(len(replies))]
    with shop(first) as here:
        for identity, (text, served, reply_id) in zip(identities, replies, strict=True):
            attempt = here.reserve(identity=identity)
            here.replies.put(here.ledger, attempt, identity, Answer(text, "stop", 3, 4, served, reply_id))
        there = folder / "there.jsonl"
        there.write_text("".join(reply_lines(here.database)), encoding="ascii")
    assert texts_of(first, identities) == [text for text, _, _ in replies]
    assert imported(second, there) == Imported(new=len(replies))
    with Database(second) as database:
        assert "".join(reply_lines(database)) == there.read_text()
    # Two halves that stand side by side are one sign in JSON.
    assert texts_of(second, identities) == [json.loads(json.dumps(text)) for text, _, _ in replies]


def test_a_reply_of_a_megabyte_and_a_question_of_another_arrive_whole(tmp_path: Path) -> None:
    text = "ab\0😀" * 200_000
    with shop(tmp_path / "a.sqlite") as here:
        identity = identity_of(0).replace("Is 0 even?", "x" * 1_000_000)
        here.replies.put(here.ledger, here.reserve(identity=identity), identity, Answer(text, "stop", 3, 4))
    assert imported(tmp_path / "b.sqlite", export(tmp_path / "a.sqlite")).new == 1
    assert texts_of(tmp_path / "b.sqlite", [identity]) == [text]


def test_what_was_bought_on_one_machine_is_not_paid_for_on_another(tmp_path: Path) -> None:
    here, there = Place(tmp_path / "here", questions(6)), Place(tmp_path / "there", questions(8))
    with serve(answer) as server:
        first = here.teach(http_teacher(server), Budget(queries=9))
        words = says("replies", "import", there.store.parent / run_file(there), export(here.store))
        assert words == "6 replies imported, 0 known already, 0 bad rows\n"
        second = there.teach(http_teacher(server), Budget(queries=2), run="elsewhere")
        assert len(server.books) == 8
    assert (second["queries"], second["from_store"], second["replies"]) == (2, 6, 8)
    assert second["attempts"] == {"settled": 2}
    bought = {reply.question_id: reply for reply in artifacts.replies(tmp_path / "here" / "teach")}
    taken = {reply.question_id: reply for reply in artifacts.replies(tmp_path / "there" / "teach")}
    for name, reply in bought.items():
        assert taken[name].stored
        assert (taken[name].text, taken[name].usd_micros) == (reply.text, reply.usd_micros)
    assert first["usd"] != "0.000000"


def run_file(place: Place) -> str:
    """A run file whose store is that of a place, and is not there yet."""
    data = {"train": "practice:legal?n=9&seed=1", "test": "practice:legal?n=5&seed=2"}
    tree = {"name": "run", "data": data, "budget": {"queries": 9}, "store": "store.sqlite"}
    (place.root / "run.yaml").write_text(json.dumps(tree))
    assert not place.store.exists()
    return "run.yaml"


def test_experts_without_a_price_are_served_from_an_import_too(tmp_path: Path) -> None:
    here, there = Place(tmp_path / "here", recorded(4)), Place(tmp_path / "there", recorded(4))
    here.teach(Teacher(provider="replay"), Budget(queries=9))
    imported(there.store, export(here.store))
    figures = there.teach(Teacher(provider="replay"), Budget(queries=1))
    assert (figures["queries"], figures["from_store"]) == (0, 4)


def test_an_import_charges_nothing_and_keeps_what_each_reply_cost(tmp_path: Path) -> None:
    first, second = tmp_path / "first.sqlite", tmp_path / "second.sqlite"
    with shop(first) as here:
        for number in range(3):
            here.buy(number=number)
    imported(second, export(first))
    with Database(second) as database:
        assert Shop(database).ledger.total(Payer(""), "store") == Spend()
        assert Shop(database).ledger.outcomes("import") == {"imported": 3}
        assert Shop(database).ledger.open_attempts() == []
        assert [row["usd_micros"] for row in database.rows("SELECT usd_micros FROM replies")] == [21] * 3
    assert export(second).read_bytes() == first.with_suffix(".jsonl").read_bytes()
    [row] = shows("ledger", "show", second)["runs"]
    assert (row["run"], row["queries"], row["usd"], row["attempts"]) == ("import", 0, "0.000000", {"imported": 3})


def test_a_reply_that_is_there_is_known_and_never_changed(tmp_path: Path) -> None:
    first, second = tmp_path / "first.sqlite", tmp_path / "second.sqlite"
    with shop(first) as here:
        here.buy("theirs", number=0)
        here.buy("new", number=1)
    with shop(second) as here:
        here.buy("mine", number=0)
    file = export(first)
    file.write_text(file.read_text() * 2)
    assert shows("replies", "import", second, file) == {"new": 1, "known": 3, "bad": 0}
    assert texts_of(second, [identity_of(0), identity_of(1)]) == ["mine", "new"]
    with Database(second) as database:
        assert len(database.rows("SELECT id FROM attempts")) == 2


def test_an_export_may_be_of_one_model_or_one_run(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    with shop(store) as here:
        here.buy(number=0)
        here.buy(number=1, run="other")
    assert [row["reply_id"] for row in lines_of(export(store, "--run", "other"))] == ["id-1"]
    assert len(lines_of(export(store, "--model", "m"))) == 2
    assert "has no reply in this store; known: m" in fails(
        "replies", "export", store, "--out", tmp_path / "x.jsonl", "--model", "gpt"
    )
    assert "is no run of this store" in fails("replies", "export", store, "--out", tmp_path / "x.jsonl", "--run", "gpt")
    assert "end it with .jsonl" in fails("replies", "export", store, "--out", tmp_path / "x.csv")
    assert stat.S_IMODE(store.with_suffix(".jsonl").stat().st_mode) == 0o600


SOUND: dict[str, Any] = {
    "version": 1,
    "request": json.loads(identity_of(7)),
    "text": "Answer: no",
    "finish": "stop",
    "input_tokens": 5,
    "output_tokens": 6,
    "usd": "0.001500",
    "price_source": "test",
    "time": "2026-01-02T03:04:05.678+00:00",
    "served_model": "",
    "reply_id": "",
}
BAD: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "is not JSON"),
    "no object": ([1], "is not a JSON object"),
    "another version": ({**SOUND, "version": 2}, "version is 2, and only 1 is known"),
    "no version": ({"request": {}}, "version is null"),
    "a key is missing": ({key: value for key, value in SOUND.items() if key != "finish"}, "finish is missing"),
    "an unknown key": ({**SOUND, "hash": "abc"}, '"hash" is an unknown key'),
    "negative tokens": ({**SOUND, "input_tokens": -1}, "input_tokens is -1, not a whole number from 0"),
    "broken tokens": ({**SOUND, "output_tokens": 1.5}, "output_tokens is 1.5"),
    "true is no count": ({**SOUND, "output_tokens": True}, "output_tokens is true"),
    "too many tokens": ({**SOUND, "output_tokens": 10**30}, "output_tokens is 1000"),
    "money as a number": ({**SOUND, "usd": 0.0015}, "usd is 0.0015, not exact dollars"),
    "negative money": ({**SOUND, "usd": "-0.001500"}, "usd is"),
    "inexact money": ({**SOUND, "usd": "0.0015001"}, "usd is"),
    "text is a list": ({**SOUND, "text": ["a"]}, "text is"),
    "time without a zone": ({**SOUND, "time": "2026-01-02T03:04:05"}, "time is"),
    "no time": ({**SOUND, "time": "yesterday"}, "time is"),
    "a long word": ({**SOUND, "finish": "x" * 1001}, "finish is"),
    "a request by its hash": ({**SOUND, "request": "ab" * 32}, "request is"),
    "a request without model": ({**SOUND, "request": {**SOUND["request"], "model": None}}, "request is"),
    "messages of text": ({**SOUND, "request": {**SOUND["request"], "messages": ["hello"]}}, "request is"),
    "a number that is none": (json.dumps({**SOUND, "text": float("nan")}), "NaN is no number"),
    "an endless number": (json.dumps(SOUND).replace('"temperature": 0.0', '"temperature": 1e999'), "too large"),
    "too deep": (json.dumps(SOUND).replace("0.0}", "[" * 100_000 + "]" * 100_000 + "}"), "nested too deeply"),
    "not UTF-8": (json.dumps(SOUND).encode().replace(b"Answer", b"\xff\xfe"), "is not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_named_with_its_line_and_reason_and_the_others_go_on(tmp_path: Path, name: str) -> None:
    row, reason = BAD[name]
    line = row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode()
    other = json.dumps({**SOUND, "request": json.loads(identity_of(8))}).encode()
    file, store, told = tmp_path / "in.jsonl", tmp_path / "store.sqlite", []
    file.write_bytes(b"\n".join([json.dumps(SOUND).encode(), line, b"", other]))
    with Database(store) as database:
        assert import_replies(database, file, told.append) == Imported(new=2, bad=1)
    [problem] = told
    assert problem.startswith(f"{file}:2: ")
    assert reason in problem
    assert len(problem) < 300


def test_bad_rows_are_counted_and_make_the_command_exit_with_one(tmp_path: Path) -> None:
    store, file = tmp_path / "store.sqlite", tmp_path / "in.jsonl"
    with shop(store):
        file.write_text("nonsense\n" + json.dumps(SOUND))
    assert says("replies", "import", store, file, code=1) == "1 replies imported, 0 known already, 1 bad rows\n"
    assert "is no file" in fails("replies", "import", store, tmp_path / "absent.jsonl")
    assert "is no file" in fails("replies", "import", store, tmp_path)


def test_a_line_without_an_end_is_one_bad_row(tmp_path: Path) -> None:
    file, told = tmp_path / "in.jsonl", []
    with file.open("wb") as stream:
        stream.truncate(150 * 1024 * 1024)
        stream.seek(0, 2)
        stream.write(b"\n" + json.dumps(SOUND).encode() + b"\n")
    with Database(tmp_path / "store.sqlite") as database:
        assert import_replies(database, file, told.append) == Imported(new=1, bad=1)
    assert told == [f"{file}:1: is longer than 64 MB"]


def test_memory_does_not_grow_with_the_number_of_replies(tmp_path: Path) -> None:
    first, second, file = tmp_path / "first.sqlite", tmp_path / "second.sqlite", tmp_path / "replies.jsonl"
    with shop(first) as here, here.database.transaction():
        for number in range(60):
            here.buy("x" * 1_000_000, number=number)
    tracemalloc.start()
    try:
        with Database(first, reads_only=True) as database, file.open("w") as stream:
            stream.writelines(reply_lines(database))
        assert imported(second, file).new == 60
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30_000_000


class Careless(Scripted):
    """A provider of another package that does not clean what it was sent."""

    def __init__(self, teacher: Teacher, questions: list[Question]) -> None:
        super().__init__(teacher, questions)

    def reply(self, text: str, sample: int) -> str | None:
        return "First \ud83d and \0. Then decide.\nAnswer: yes"

    def answer(self, request: Request) -> Answer:
        return Answer(str(self.reply("", 0)), "stop", 1, 1, "m\ud83d", "id\ud83d")


def test_a_paid_reply_with_half_a_sign_is_kept_and_taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_members", {name: providers.get(name, "test") for name in providers.names()})
    providers.register("careless")(Careless)
    place = Place(tmp_path, questions(2))
    figures = place.teach(Teacher(provider="careless"), Budget(queries=2))
    assert (figures["replies"], figures["attempts"]) == (2, {"settled": 2})
    assert artifacts.replies(tmp_path / "teach")[0].text == "First ? and \0. Then decide.\nAnswer: yes"
    assert all("\ud83d" in row["text"] for row in lines_of(export(place.store)))
