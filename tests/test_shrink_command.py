"""``bridge-distill shrink`` writes a smaller model, says what that saves, and what is wrong in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge_distill.errors import UserError
from families import TEXTS, loaded, save


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save("llama", tmp_path_factory.mktemp("base") / "llama")


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("\n\n".join(text.replace("\n", " ") for text in TEXTS), encoding="utf-8")
    return path


def shrunk(capsys: pytest.CaptureFixture[str], *words: Any) -> str:
    from bridge_distill.cli import app

    app(["shrink", *map(str, words)], standalone_mode=False)
    return capsys.readouterr().out


def test_a_base_is_cut_healed_and_written(
    base: Path, lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small"
    options = ["--layers", "2", "--layer-choice", "angular", "--mlp", "0.5", "--heads", 4, "--vocabulary", "task"]
    said = shrunk(
        capsys, "--base", base, "--text", lines, "--out", out, *options, "--heal-steps", 30, "--learning-rate", 5e-3
    )
    table = [line.split() for line in said.splitlines()]
    whole, small = loaded(base), loaded(out)
    assert table[1][:2] == ["base", f"{whole.parameters:,}"]
    assert table[2][:2] == ["shrunk", f"{small.parameters:,}"]
    assert small.parameters < whole.parameters / 2
    assert small.network.config.num_hidden_layers == 2
    assert said.endswith(f"model: {out}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small"]


def test_healing_learns_the_texts(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps({"said": text}) for text in [*TEXTS[:8], "long " * 300]))
    words = ["--base", base, "--text", rows, "--column", "said", "--out", tmp_path / "small", "--layers", "0,3"]
    found = json.loads(shrunk(capsys, *words, "--heal-steps", 30, "--learning-rate", 5e-3, "--json"))
    assert found["healed"]["last_loss"] < found["healed"]["first_loss"] - 1
    assert (found["healed"]["steps"], found["healed"]["too_long"]) == (30, 1)
    assert found["shrunk"]["parameters"] == loaded(tmp_path / "small").parameters


def test_a_new_model_of_a_size_is_drawn(
    base: Path, lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--base", base, "--text", lines, "--out", tmp_path / "new", "--size", "0.3M", "--json"]
    assert json.loads(shrunk(capsys, *words))["shrunk"]["parameters"] == pytest.approx(300_000, rel=0.1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--layers", "many"], r"^shrink\.layers.*: .*many.*; see bridge-distill shrink --help\.$"),
        (["--layers", "2024-02-30"], r"^shrink\.layers.*2024-02-30"),
        (["--layers", "9"], r"^shrink\.layers: 9 layers asked of a base that has 4; give at most 4\.$"),
        (["--size", "10X"], r"^shrink\.size: must be a number of parameters such as 10M"),
        (["--layer-choice", "best", "--layers", "2"], r"^shrink\.layer_choice: .*'best'"),
        (["--layers", "2", "--heal-steps", "2", "--max-tokens", "3"], r"^--max-tokens: none of 40 examples fits"),
    ],
)
def test_wrong_options_are_said_in_one_sentence(
    base: Path, lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        shrunk(capsys, "--base", base, "--text", lines, "--out", tmp_path / "new", *options)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"test": "b"}', r"a\.jsonl:2: has no text in 'text'; correct the row"),
        ("a.jsonl", b"{", r"a\.jsonl:1: not JSON"),
        ("a.txt", b"\xff", r"a\.txt: is not UTF-8"),
        ("a.txt", b"\n \n", r"a\.txt: holds no text"),
        ("a.doc", b"a", r"^--text: .*a\.doc' has no known file type"),
        ("a.txt", None, r"^--text: cannot read .*a\.txt"),
    ],
)
def test_texts_that_cannot_be_read_are_said(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        shrunk(capsys, "--base", base, "--text", tmp_path / name, "--out", tmp_path / "new", "--layers", 1)


def test_a_folder_that_is_there_is_not_replaced(
    base: Path, lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="is there already"):
        shrunk(capsys, "--base", base, "--text", lines, "--out", tmp_path, "--layers", 1)
