"""The data stage: sources in, frozen splits out, every rejection listed and counted."""

import csv
import json
import os
import random
import re
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_distill import artifacts
from bridge_distill.config import Data
from bridge_distill.data import digest, freeze, frozen_pool, open_pool, read_questions
from bridge_distill.engine.rows import BATCH, GROUP, read_rows, write_rows
from bridge_distill.errors import UserError

TRAIN = [{"id": f"a{n}", "question": f"How much is {n} plus {n}?", "answer": str(2 * n)} for n in range(1, 7)]
TEST = [{"id": f"b{n}", "question": f"How much is {n} times {n}?", "answer": str(n * n)} for n in range(3, 7)]


def lines(rows) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def write(folder: Path, name: str, content) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else lines(content).encode())
    return str(path)


def data_of(folder: Path, train=TRAIN, test=TEST, **settings) -> Data:
    settings = {"answer": "number", **settings}
    return Data(train=write(folder, "train.jsonl", train), test=write(folder, "test.jsonl", test), **settings)


def rejected(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / artifacts.REJECTED).read_text().splitlines()]


def test_both_splits_are_frozen_with_their_figures(tmp_path):
    figures = freeze(data_of(tmp_path), tmp_path)
    train, test = artifacts.train_questions(tmp_path), artifacts.test_questions(tmp_path)
    assert sorted(question.id for question in train) == [row["id"] for row in TRAIN]
    assert (figures["train"], figures["test"]) == (6, 4)
    assert figures["rows"] == {"train": 6, "test": 4}
    assert figures["rejected"] == {}
    assert figures["rejected_by_split"] == {"train": {}, "test": {}}
    assert figures["answers"]["test"] == {"16": 1, "25": 1, "36": 1, "9": 1}
    assert figures["majority"] == 0.25
    assert {(question.low, question.answer, question.high) for question in test} >= {(9.0, "9", 9.0)}
    assert rejected(tmp_path) == []
    assert json.loads(json.dumps(figures)) == figures


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_the_order_of_rows_does_not_matter(tmp_path_factory, seed):
    rows = [*TRAIN, {**TRAIN[0], "answer": "3"}, {**TRAIN[1], "id": "a3"}, TRAIN[2], TEST[0]]
    shuffled = random.Random(seed).sample(rows, len(rows))
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    figures, again = freeze(data_of(one, rows), one), freeze(data_of(other, shuffled), other)
    assert figures == again
    assert artifacts.train_questions(one) == artifacts.train_questions(other)


def test_every_rejection_is_listed_with_its_line_and_counted(tmp_path):
    bad = [
        ("not JSON", "{"),
        ("not a JSON object", "[1]"),
        ("no question", {"id": "x3", "answer": "1"}),
        ("no question", {"id": "x4", "question": "  ", "answer": "1"}),
        ("question is not text", {"id": "x5", "question": 7, "answer": "1"}),
        ("answer not of the form number", {"id": "x6", "question": "six?", "answer": "many"}),
        ("answer is not text", {"id": "x7", "question": "seven?", "answer": {"a": 1}}),
        ("choices are not a list of texts", {"id": "x8", "question": "eight?", "choices": [[1]]}),
        ("more than 26 choices", {"id": "x9", "question": "nine?", "choices": ["x"] * 27}),
        ("limits are not two numbers", {"id": "x10", "question": "ten?", "answer": "1", "limits": ["1"]}),
        ("limits are not two numbers in order", {"id": "x11", "question": "eleven?", "answer": "1", "limits": [2, 1]}),
        ("answer outside its limits", {"id": "x12", "question": "twelve?", "answer": "1", "limits": ["2", "3"]}),
        ("not UTF-8", '{"id": "x13", "question": "\\ud800"}'),
        ("question of the test split", {"id": "x14", "question": "how much is 3 TIMES 3", "answer": "9"}),
    ]
    figures = freeze(data_of(tmp_path, [row for _, row in bad] + TRAIN), tmp_path)
    listed = sorted(rejected(tmp_path), key=lambda row: row["line"])
    assert [(row["line"], row["reason"]) for row in listed] == [(n, why) for n, (why, _) in enumerate(bad, start=1)]
    assert [row["id"] for row in listed[2:5]] == ["x3", "x4", "x5"]
    assert sum(figures["rejected_by_split"]["train"].values()) == len(bad)
    assert figures["train"] == len(TRAIN)


def test_undecodable_bytes_and_long_rows_are_listed_with_a_short_excerpt(tmp_path):
    content = b'\xef\xbb\xbf{"question": "one?"}\n\xff\xfe{\n\n' + lines(["x" * 5000, {"question": "two?"}]).encode()
    data = Data(
        train=write(tmp_path, "train.jsonl", content), test=write(tmp_path, "test.jsonl", TEST), answer="number"
    )
    assert freeze(data, tmp_path)["train"] == 2
    assert [(row["line"], row["reason"]) for row in rejected(tmp_path)] == [(2, "not UTF-8"), (4, "not JSON")]
    assert all(len(row["excerpt"]) <= 300 for row in rejected(tmp_path))


def test_duplicates_are_rejected_within_and_across_splits(tmp_path):
    train = [*TRAIN, {**TRAIN[0], "id": "again"}, {"id": "a2", "question": "Another?", "answer": "1"}, TEST[1]]
    figures = freeze(data_of(tmp_path, train), tmp_path)
    reasons = {"duplicate question": 1, "duplicate id": 1, "question of the test split": 1}
    assert figures["rejected_by_split"]["train"] == reasons
    ids = [question.id for question in artifacts.train_questions(tmp_path)]
    assert len(set(ids)) == len(ids) == len(train) - 3


def test_numbers_of_another_sign_and_other_choices_are_no_duplicates(tmp_path):
    train = [
        {"question": "Add -5 and 2.", "answer": "-3"},
        {"question": "Add 5 and 2.", "answer": "7"},
        {"question": "Which?", "choices": ["1", "2"]},
        {"question": "Which?", "choices": ["3", "4"]},
        {"question": "which", "choices": ["2", "1"]},
    ]
    figures = freeze(data_of(tmp_path, train), tmp_path)
    assert figures["train"] == 4
    assert len({question.id for question in artifacts.train_questions(tmp_path)}) == 4


def test_gold_is_needed_for_tests_only(tmp_path):
    train = [{"question": "One?"}, {"question": "Two?", "answer": ""}]
    figures = freeze(data_of(tmp_path, train, [*TEST, {"id": "t", "question": "Open?"}]), tmp_path)
    assert figures["rejected_by_split"]["test"] == {"test question without answer": 1}
    assert [question.answer for question in artifacts.train_questions(tmp_path)] == [None, None]


@pytest.mark.parametrize(
    ("tolerance", "limits", "year", "price"),
    [
        (None, None, (1999.0, 1999.0), (2.475, 2.525)),
        (0.1, None, (1799.1, 2198.9), (2.25, 2.75)),
        (0, None, (1999.0, 1999.0), (2.5, 2.5)),
        (None, [1, 2000], (1.0, 2000.0), (1.0, 2000.0)),
    ],
)
def test_a_whole_number_is_exact_unless_the_settings_or_its_row_say_otherwise(tmp_path, tolerance, limits, year, price):
    train = [{"id": n, "question": n, "answer": n, "limits": limits} for n in ("1999", "2.5")]
    freeze(data_of(tmp_path, train, tolerance=tolerance), tmp_path)
    found = {question.answer: (question.low, question.high) for question in artifacts.train_questions(tmp_path)}
    assert found == {"1999": pytest.approx(year), "2.5": pytest.approx(price)}


def test_forms_are_tried_in_order_and_limits_and_scale_are_read(tmp_path):
    train = [
        {"id": "n", "question": "Sodium?", "answer": "15.2", "limits": ["14.44", "15.96"], "calculator": "x"},
        {"id": "d", "question": "Age?", "answer": "('3 weeks', '4 days')", "limits": ["('3 weeks', '4 days')"] * 2},
        {"id": "s", "question": "Other?", "answer": "-12.6", "scale": "million"},
        {"id": "p", "question": "Share?", "answer": "6.67 percent", "scale": "percent"},
        {"id": "e", "question": "Wrong?", "answer": "4", "rationale": "2+2", "expert_answer": "5.0"},
        {"id": "r", "question": "Right?", "answer": "4", "rationale": "2+2"},
    ]
    freeze(data_of(tmp_path, train, answer=["number", "date"]), tmp_path)
    read = {question.id: question for question in artifacts.train_questions(tmp_path)}
    assert (read["n"].low, read["n"].high) == (14.44, 15.96)
    assert (read["d"].form, read["d"].answer, read["d"].low) == ("date", "3 weeks 4 days", None)
    assert read["s"].answer == "-12.6 million"
    assert read["p"].answer == "6.67 percent"
    assert (read["e"].recorded_rationale, read["e"].recorded_answer) == ("2+2", "5")
    assert read["r"].recorded_answer == "4"


def test_choices_and_yes_no_by_letter(tmp_path):
    train = [{"id": "y", "question": "Is it?", "choices": ["Yes", "No"], "answer": "B"}]
    test = [{"id": "c", "question": "Which?", "choices": ["red", "blue"], "answer": "blue"}]
    freeze(data_of(tmp_path, train, test, answer=["yes_no", "choice"]), tmp_path)
    assert [(q.form, q.answer) for q in artifacts.train_questions(tmp_path)] == [("yes_no", "no")]
    assert [(q.form, q.answer) for q in artifacts.test_questions(tmp_path)] == [("choice", "B")]


def test_an_answer_outside_the_choices_is_rejected(tmp_path):
    rows = [{"question": "Which?", "choices": ["red", "blue"], "answer": gold} for gold in ("C", "A")]
    figures = freeze(data_of(tmp_path, rows, [{**rows[1], "question": "And?"}], answer="choice"), tmp_path)
    assert figures["rejected_by_split"]["train"] == {"answer outside the choices": 1}


@pytest.mark.parametrize("kind", ["json", "csv", "parquet"])
def test_other_file_types_load_alike(tmp_path, kind):
    path = tmp_path / f"train.{kind}"
    if kind == "json":
        path.write_text(json.dumps(TRAIN))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(TRAIN), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(TRAIN[0]))
            writer.writeheader()
            writer.writerows(TRAIN)
    from_jsonl, other = tmp_path / "a", tmp_path / "b"
    from_jsonl.mkdir()
    other.mkdir()
    data = data_of(tmp_path)
    assert freeze(data, from_jsonl) == freeze(data.model_copy(update={"train": str(path)}), other)
    assert artifacts.train_questions(from_jsonl) == artifacts.train_questions(other)


def test_csv_rows_that_do_not_fit_are_listed(tmp_path):
    table = b'question,answer,choices\n"one, or\nmore?",1,\ntwo?,2,3,4\n\xff?,1,\nwhich?,2,2|3\n'
    train = write(tmp_path, "train.csv", table)
    figures = freeze(data_of(tmp_path).model_copy(update={"train": train}), tmp_path)
    assert [(row["line"], row["reason"]) for row in rejected(tmp_path)] == [
        (4, "more fields than columns"),
        (5, "not UTF-8"),
    ]
    assert figures["train"] == 2
    assert sorted(question.text for question in artifacts.train_questions(tmp_path)) == ["one, or\nmore?", "which?"]


def test_columns_are_mapped(tmp_path):
    train = [{"q": row["question"], "gold": row["answer"]} for row in TRAIN]
    test = [{"q": row["question"], "gold": row["answer"]} for row in TEST]
    figures = freeze(data_of(tmp_path, train, test, columns={"question": "q", "answer": "gold"}), tmp_path)
    assert (figures["train"], figures["test"]) == (6, 4)


def test_a_limit_takes_the_same_prefix_whatever_the_order(tmp_path):
    figures = freeze(data_of(tmp_path), tmp_path)
    whole = artifacts.train_questions(tmp_path)
    limited = freeze(data_of(tmp_path, TRAIN[::-1], limit_train=3, limit_test=2), tmp_path)
    assert artifacts.train_questions(tmp_path) == whole[:3]
    assert limited["beyond_limit"] == {"train": 3, "test": 2}
    assert (limited["train"], limited["test"]) == (3, 2)
    assert limited["digest"] != figures["digest"]


def test_overlap_of_eight_words_is_counted(tmp_path):
    shared = "one two three four five six seven eight"
    train = [{"question": f"{shared} nine", "answer": "1"}]
    test = [
        {"id": "all", "question": shared.upper(), "answer": "1"},
        {"id": "part", "question": f"{shared} ten eleven", "answer": "1"},
        {"id": "none", "question": "one two three four five six seven nine ten", "answer": "1"},
        {"id": "short", "question": "seven words are too few to share", "answer": "1"},
    ]
    found = freeze(data_of(tmp_path, train, test), tmp_path)
    assert found["overlap"] == {"words": 8, "questions": 2, "share": 0.5}
    assert found["overlap_top"] == [{"id": "all", "shared": 1.0}, {"id": "part", "shared": pytest.approx(1 / 3)}]


def test_practice_tasks_are_a_source_like_any_other(tmp_path):
    data = Data(train="practice:legal?n=40&seed=1", test="practice:medical?n=12&seed=2", tolerance=0.05)
    figures = freeze(data, tmp_path)
    assert (figures["train"], figures["test"]) == (40, 12)
    assert figures["answers"]["train"] == {"no": 20, "yes": 20}
    assert {question.form for question in artifacts.train_questions(tmp_path)} == {"yes_no"}
    for question in artifacts.test_questions(tmp_path):
        assert question.low == pytest.approx(float(question.answer) * 0.95)


def test_practice_questions_survive_a_file(tmp_path):
    freeze(Data(train="practice:financial?n=20&seed=1", test="practice:financial?n=8&seed=2"), tmp_path)
    made = artifacts.train_questions(tmp_path), artifacts.test_questions(tmp_path)
    rows = [[{"id": q.id, "question": q.text, "answer": q.answer, "domain": q.domain} for q in split] for split in made]
    freeze(data_of(tmp_path, *rows), tmp_path)
    assert (artifacts.train_questions(tmp_path), artifacts.test_questions(tmp_path)) == made


def test_a_data_set_of_the_hub_is_loaded_by_its_split(tmp_path, monkeypatch):
    import datasets

    asked = []

    def load_dataset(name, *, split):
        asked.append((name, split))
        if name == "owner/gone":
            raise FileNotFoundError("Dataset 'owner/gone' doesn't exist\non the hub")
        return datasets.Dataset.from_list(TRAIN)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    data = data_of(tmp_path)
    assert freeze(data.model_copy(update={"train": "hf:owner/name:validation"}), tmp_path)["train"] == 6
    assert asked == [("owner/name", "validation")]
    with pytest.raises(
        UserError, match=r"data\.test: cannot load data set 'owner/gone', split 'test' \(Dataset .*exist\);"
    ):
        freeze(data.model_copy(update={"test": "hf:owner/gone"}), tmp_path)
    assert digest(data.model_copy(update={"train": "hf:owner/name"}))["train"] == "hf:owner/name:train"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"train": "missing.jsonl"}, r"data\.train: cannot read missing\.jsonl \(No such file or directory\)"),
        ({"test": "missing.csv"}, r"data\.test: cannot read missing\.csv"),
        ({"train": "train.txt"}, r"data\.train: 'train\.txt' has no known file type; .*known: \.csv"),
        ({"train": "hf:"}, r"data\.train: 'hf:' names no data set"),
        ({"train": "practice:leagl"}, r"data\.train: unknown practice task 'leagl'; did you mean 'legal'"),
        ({"answer": "numbr"}, r"data\.answer: unknown answer form 'numbr'; did you mean 'number'"),
        ({"columns": {"qestion": "q"}}, r"data\.columns\.qestion: .*did you mean 'question'"),
        (
            {"columns": {"answer": "gold"}},
            r"data\.columns\.answer: no row of .* has the column 'gold'; name one of answer",
        ),
    ],
)
def test_what_a_user_gets_wrong_is_one_sentence(tmp_path, changed, sentence):
    with pytest.raises(UserError, match=sentence):
        freeze(data_of(tmp_path).model_copy(update=changed), tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("train.jsonl", b"", r"no row of .* is usable \(0 read: it is empty\)"),
        ("train.jsonl", b"{\n{\n", r"is usable \(2 read: 2 not JSON\)"),
        ("train.jsonl", [TEST[0]], r"is usable \(1 read: 1 question of the test split\)"),
        ("train.jsonl", [{"text": "Why?"}], r"data\.columns\.question: .* name one of text"),
        ("train.json", b"{}", r"holds no list of rows"),
        ("train.json", b"[", r"is not JSON"),
        ("train.parquet", b"PAR", r"is not Parquet"),
        ("train.csv", b"", r"is usable \(0 read"),
    ],
)
def test_a_source_without_a_usable_row_is_an_error(tmp_path, name, content, sentence):
    data = data_of(tmp_path)
    with pytest.raises(UserError, match=sentence):
        freeze(data.model_copy(update={"train": write(tmp_path, name, content)}), tmp_path)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "x.jsonl").mkdir()
    data = data_of(tmp_path).model_copy(update={"train": str(tmp_path / "x.jsonl")})
    for read in (digest, lambda data: freeze(data, tmp_path)):
        with pytest.raises(UserError, match=r"data\.train: cannot read .* \(Is a directory\)"):
            read(data)


def test_the_digest_follows_content_not_place(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert digest(data_of(one)) == digest(data_of(other))
    assert digest(data_of(one))["train"] != digest(data_of(one, TRAIN[1:]))["train"]
    spec = Data(train="practice:legal?seed=1&n=400", test="practice:legal?n=400&difficulty=0.3&seed=1")
    assert digest(spec)["train"] == digest(spec)["test"]
    with pytest.raises(UserError, match="cannot read"):
        digest(spec.model_copy(update={"test": str(tmp_path / "gone.jsonl")}))


def test_a_process_reads_a_source_for_its_digest_again_only_where_its_size_or_date_is_another(tmp_path):
    data = data_of(tmp_path)
    path = Path(data.train)
    before, whole = digest(data), path.stat()
    path.write_bytes(path.read_bytes().replace(b"plus", b"less"))
    os.utime(path, ns=(whole.st_atime_ns, whole.st_mtime_ns))
    assert digest(data) == before, "the cells of a study ask hundreds of times"
    os.utime(path, ns=(whole.st_atime_ns, whole.st_mtime_ns + 1_000_000_000))
    assert digest(data)["train"] != before["train"]
    assert digest(data)["test"] == before["test"]


def test_one_source_is_read_by_itself(tmp_path):
    path = write(tmp_path, "recorded.jsonl", [*TRAIN, TRAIN[0], "{"])
    assert sorted(question.id for question in read_questions(path, ["number"])) == [row["id"] for row in TRAIN]
    with pytest.raises(UserError, match="no row of"):
        read_questions(path, ["yes_no"])


# Wordings and choices of which many come to the same, and rows that are none.
WORDINGS = [
    *("How much is -5?", "how much is 5", "How  much is −5!", "12 * 3", "1 * 23", "Größe der Maus", "GRÖSSE, der maus"),
    *("ﬁne “x”", "Fine x", "a_b", "a b", "ab", "x\x00y", "y\x00x", "日本、語", "日本 語", "", None, 7, "\ud800"),
]
CHOICES = [None, None, ["red", "blue"], ["Blue.", "RED"], ["re", "dblue"], "red|blue", ["−1", "1"], ["-1", "1"], [None]]
ANSWERS = [None, "A", "b", "blue", "-1", {"of": "none"}]


def draw_rows(draw: random.Random, count: int):
    for _ in range(count):
        row = {"question": draw.choice(WORDINGS), "choices": draw.choice(CHOICES), "answer": draw.choice(ANSWERS)}
        row |= {"id": draw.choice([None, draw.randrange(40)]), "rationale": draw.choice([None, None, "because"])}
        yield draw.choice(["{", "[1]"]) if draw.random() < 0.05 else row


@given(seed=st.integers(0, 10**9))
@settings(max_examples=100, deadline=None)
def test_a_pool_is_what_would_be_frozen(tmp_path_factory, seed):
    folder, draw = tmp_path_factory.mktemp("pool"), random.Random(seed)
    scratch = folder / "scratch"
    scratch.mkdir()
    train, test = draw_rows(draw, 40), draw_rows(draw, draw.choice([1, 8]))
    caps = {"limit_train": draw.choice([None, None, 3, 9]), "limit_test": draw.choice([None, 2])}
    data = data_of(folder, train, test, answer=["choice", "text"], **caps)
    try:
        figures = freeze(data, folder)
    except UserError as error:
        with pytest.raises(UserError, match=f"^{re.escape(str(error))}$"):
            open_pool(data, scratch)
        return
    frozen, pool = artifacts.train_questions(folder), open_pool(data, scratch)
    assert sorted(map(repr, pool)) == sorted(map(repr, frozen))
    assert (pool.size, pool.test) == (figures["train"], figures["test"])
    assert pool.rejected == figures["rejected_by_split"]["train"]
    assert pool.mean_length() == pytest.approx(sum(len(question.text) for question in frozen) / len(frozen))
    left = frozen_pool(folder)
    assert list(left) == frozen
    assert (left.size, left.test, left.rejected) == (pool.size, pool.test, pool.rejected)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_pool_keeps_the_order_of_its_file_and_can_be_read_again(tmp_path, kind):
    rows = [{"id": f"q{n}", "question": f"Question {n}?", "answer": "1"} for n in range(3 * BATCH)]
    data = data_of(tmp_path, [*rows, rows[5]])
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([*rows, rows[5]]), tmp_path / "train.parquet", row_group_size=1000)
        data = data.model_copy(update={"train": str(tmp_path / "train.parquet")})
    pool = open_pool(data, tmp_path)
    assert [question.id for question in pool] == [question.id for question in pool]
    assert [question.id for question in pool] == [row["id"] for row in rows]


def test_a_practice_task_is_a_pool_like_any_other(tmp_path):
    data = Data(train="practice:legal?n=40&seed=1", test="practice:legal?n=12&seed=1")
    freeze(data, tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    pool = open_pool(data, scratch)
    assert (pool.size, pool.test, pool.rejected) == (28, 12, {"question of the test split": 12})
    assert sorted(map(repr, pool)) == sorted(map(repr, artifacts.train_questions(tmp_path)))


def test_a_pool_is_never_held(tmp_path):
    rows = [{"id": f"q{n}", "question": f"{n} {'x' * 2000}"} for n in range(6 * BATCH)]
    data = data_of(tmp_path, rows)
    tracemalloc.start()
    try:
        pool = open_pool(data, tmp_path)
        assert sum(1 for _ in pool) == pool.size == len(rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < sum(len(row["question"]) for row in rows) / 2


@dataclass(frozen=True, slots=True)
class Narrow:
    """A record as it once was."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Wide:
    """The same record with one more field."""

    name: str
    more: list[str] | None
    number: int


def test_rows_of_many_groups_come_back_in_order_and_a_missing_column_is_none(tmp_path):
    rows = [Narrow(str(n), n) for n in range(BATCH * GROUP + 3)]
    write_rows(tmp_path / "rows.parquet", Narrow, iter(rows))
    assert read_rows(tmp_path / "rows.parquet", Narrow) == rows
    assert read_rows(tmp_path / "rows.parquet", Wide)[-1] == Wide(rows[-1].name, None, rows[-1].number)
    write_rows(tmp_path / "rows.parquet", Narrow, [])
    assert read_rows(tmp_path / "rows.parquet", Narrow) == []
