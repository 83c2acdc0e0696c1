"""Signals say what they promise, share one reading, and survive a kill; difficulty is a matter of ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from bridge_distill import artifacts, practice, prompts
from bridge_distill.answers import MARK
from bridge_distill.config import Compute, Score
from bridge_distill.engine.columns import join_arrays
from bridge_distill.engine.rows import write_rows
from bridge_distill.engine.shards import shard_files
from bridge_distill.errors import UserError
from bridge_distill.models.generator import Decoding
from bridge_distill.models.load import Model, load, text_ids
from bridge_distill.models.reading import Reading, read
from bridge_distill.models.writing import continued, draws_of
from bridge_distill.records import Question
from bridge_distill.selection import score
from bridge_distill.selection.difficulty import difficulty
from bridge_distill.selection.measure import signals
from families import loaded, save
from scribe import write_after

OPEN = practice.make("financial", 6, 3, 0.0)
CLOSED = practice.make("legal", 18, 3, 0.0)
QUESTIONS = CLOSED + OPEN
HEADS = [prompts.local(question) for question in QUESTIONS]
ALL = Score(signals=signals.names(), draft_tokens=6, samples=3)


@pytest.fixture
def tiny(tiny_base: Path) -> Model:
    return load(str(tiny_base), Compute(), "base")


@pytest.fixture
def reading(tiny: Model) -> Reading:
    tail = tiny.tokenizer(MARK, add_special_tokens=False)["input_ids"]
    return read(tiny, [tiny.prompt_ids(head) for head in HEADS[14:20]], tail)


def plain_states(model: Model, head: str) -> torch.Tensor:
    return model.network.model(torch.tensor([model.prompt_ids(head)])).last_hidden_state[0].detach()


def test_a_reading_pools_the_prompt_without_its_tail(tiny: Model, reading: Reading) -> None:
    states = plain_states(tiny, HEADS[16])
    torch.testing.assert_close(torch.tensor(reading.pooled()[2]), states.mean(0), atol=1e-4, rtol=1e-3)
    weights = torch.arange(1.0, len(states) + 1)
    expected = (states * weights[:, None]).sum(0) / weights.sum()
    torch.testing.assert_close(torch.tensor(reading.pooled(weighted=True)[2]), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("shared", [True, False])
def test_loss_after_a_reading_is_that_of_a_plain_pass(tiny: Model, reading: Reading, shared: bool) -> None:
    reading = reading if shared else replace(reading, cache=None)
    continuations = [tiny.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (" yes", " no way, never")]
    found = reading.loss([4, 1], continuations)
    for row, told, loss in zip([4, 1], continuations, found, strict=True):
        ids = [*tiny.prompt_ids(HEADS[14 + row]), *tiny.tokenizer(MARK, add_special_tokens=False)["input_ids"], *told]
        logs = tiny.network(torch.tensor([ids])).logits[0, -len(told) - 1 : -1].log_softmax(-1)
        assert loss == pytest.approx(-logs.gather(1, torch.tensor(told)[:, None]).mean().item(), abs=1e-4)


def test_a_family_that_caps_its_logits_is_read_with_the_cap(tmp_path: Path) -> None:
    model = loaded(save("gemma2", tmp_path, final_logit_softcapping=0.5))
    prompt, told = model.prompt_ids("Was it a breach?"), text_ids(model.tokenizer, "It was, of a duty.")
    found = read(model, [prompt])
    plain = model.network(torch.tensor([prompt + told])).logits[0, len(prompt) - 1 : -1].float()
    torch.testing.assert_close(found.next_logits()[0], plain[0], atol=1e-4, rtol=1e-4)
    expected = -plain.log_softmax(-1).gather(1, torch.tensor(told)[:, None]).mean().item()
    assert found.loss([0], [told])[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("tail", [True, False])
def test_writing_after_a_reading_is_writing_after_the_prompt(tiny: Model, reading: Reading, tail: bool) -> None:
    decoding = Decoding(6, entropies=True)
    alone = write_after(tiny, HEADS[14:20], decoding, 4000, begun=MARK if tail else "")
    for written in (
        continued(reading, range(6), decoding, draws_of(0, range(6), decoding), tail=tail),
        continued(replace(reading, cache=None), range(6), decoding, draws_of(0, range(6), decoding), tail=tail),
    ):
        assert [rows[0].text for rows in written] == [rows[0].text.strip() for rows in alone]
        for one, other in zip(written, alone, strict=True):
            assert one[0].log_probability == pytest.approx(other[0].log_probability, abs=1e-4)
            assert one[0].top_entropy >= one[0].entropy >= 0


def test_samples_that_share_a_prompt_are_those_that_repeat_it(tiny: Model, reading: Reading) -> None:
    decoding = Decoding(8, temperature=1.0, samples=4)
    draws = draws_of(5, range(6), decoding)
    found = [continued(source, range(6), decoding, draws) for source in (reading, replace(reading, cache=None))]
    assert [[s.text for s in rows] for rows in found[0]] == [[s.text for s in rows] for rows in found[1]]
    assert len({s.text for s in found[0][0]}) > 1


def test_sampled_words_are_as_frequent_as_the_model_says(tiny: Model, reading: Reading) -> None:
    decoding = Decoding(1, temperature=1.0, samples=4000)
    drawn = continued(reading, [0], decoding, draws_of(1, [0], decoding))[0]
    likely = reading.next_logits()[0].softmax(-1)
    token = int(likely.argmax())
    text = tiny.tokenizer.decode([token], skip_special_tokens=True).strip()
    same = [i for i in range(len(likely)) if tiny.tokenizer.decode([i], skip_special_tokens=True).strip() == text]
    expected = float(likely[same].sum())
    spread = 5 * math.sqrt(expected * (1 - expected) / 4000) + 1e-3
    assert abs(np.mean([written.text == text for written in drawn]) - expected) < spread


def measured(
    folder: Path, base: Path, settings: Score, questions: Sequence[Question] = QUESTIONS, batch_tokens: int = 1500
) -> dict[str, Any]:
    for name in ("data", "score", "scratch"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_rows(folder / "data" / artifacts.TRAIN, Question, questions)
    places = (folder / "data", folder / "score", folder / "scratch")
    return score(settings, str(base), "score.base", *places, Compute(batch_tokens=batch_tokens), 3)


@pytest.fixture(scope="module")
def everything(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every signal of the pool, the last three open questions without gold."""
    folder = tmp_path_factory.mktemp("signals")
    blind = [replace(question, answer=None, low=None, high=None) for question in OPEN[3:]]
    measured(folder, tiny_base, ALL, [*CLOSED, *OPEN[:3], *blind])
    return folder / "score"


@pytest.mark.parametrize("name", signals.names())
def test_every_signal_fills_its_columns(everything: Path, name: str) -> None:
    columns = artifacts.signals(everything)
    for column in signals.get(name, "s").columns:
        needs_gold = name in ("gold_perplexity", "ifd")
        assert np.isnan(columns[column][-3:]).all() == needs_gold
        assert np.isfinite(columns[column][:-3]).all()
        assert (columns[column][:-3] >= 0).all()


def test_signals_hold_what_their_definitions_say(everything: Path, tiny: Model) -> None:
    columns = artifacts.signals(everything)
    assert columns["prompt_tokens"][3] == len(tiny.prompt_ids(HEADS[3]))
    assert (columns["answer_entropy"][:18] <= math.log(2) + 1e-6).all()
    np.testing.assert_array_equal(columns["answer_entropy"][18:], columns["sampled_entropy"][18:])
    assert (columns["draft_top_entropy"] >= columns["draft_entropy"] - 1e-9).all()
    assert set(np.round(columns["sampled_disagreement"] * 3) % 1) == {0}
    tail = tiny.tokenizer(MARK, add_special_tokens=False)["input_ids"]
    gold = tiny.tokenizer(" " + (CLOSED[3].answer or ""), add_special_tokens=False)["input_ids"]
    after, alone = ([*tiny.prompt_ids(head), *tail, *gold] for head in (HEADS[3], ""))
    losses = [
        -tiny.network(torch.tensor([ids])).logits[0, -2].log_softmax(-1)[gold[0]].item() for ids in (after, alone)
    ]
    assert columns["gold_perplexity"][3] == pytest.approx(math.exp(losses[0]), rel=1e-3)
    assert columns["ifd"][3] == pytest.approx(math.exp(losses[0] - losses[1]), rel=1e-3)


def test_scores_are_plain_columns_that_any_parquet_reader_reads(everything: Path) -> None:
    table = pq.read_table(everything / artifacts.SCORES)
    assert table.column_names[:2] == ["question_id", "difficulty"]
    assert {"answer_entropy", "draft_entropy", "ifd", "prompt_tokens"} < set(table.column_names)
    assert [row.question_id for row in artifacts.scores(everything)] == [question.id for question in QUESTIONS]
    assert all(0 <= row.difficulty <= 1 for row in artifacts.scores(everything))


def test_embeddings_are_read_from_the_file_as_they_are_used(everything: Path, tiny: Model) -> None:
    vectors = artifacts.embeddings(everything)
    assert isinstance(vectors, np.memmap)
    assert artifacts.weighted(everything) is None
    assert (vectors.shape, vectors.dtype) == ((24, 48), np.float32)
    np.testing.assert_allclose(vectors[20], plain_states(tiny, HEADS[20]).mean(0), atol=1e-4)


def test_by_default_difficulty_is_the_mean_rank_of_both_entropies(tiny_base: Path, tmp_path: Path) -> None:
    figures = measured(tmp_path, tiny_base, Score(draft_tokens=6))
    columns = artifacts.signals(tmp_path / "score")
    ranks = [
        np.searchsorted(np.sort(v), v) + (np.sum(v[:, None] == v, 0) - 1) / 2
        for v in map(columns.get, ("answer_entropy", "draft_entropy"))
    ]  # type: ignore[arg-type]
    expected = (sum(ranks) / 2 + 0.5) / 24
    np.testing.assert_allclose([row.difficulty for row in artifacts.scores(tmp_path / "score")], expected)
    assert figures["questions"] == 24
    assert figures["mean_prompt_tokens"] == pytest.approx(columns["prompt_tokens"].mean())


def test_a_weighted_difficulty_judges_by_what_a_question_has() -> None:
    nan = float("nan")
    columns = {"a": np.array([1.0, 2.0, 3.0, nan]), "b": np.array([5.0, nan, 4.0, nan])}
    found = difficulty(columns, {"a": 1, "b": 3})
    low, middle, high = 1 / 6, 1 / 2, 5 / 6
    np.testing.assert_allclose(found, [(low + 3 * 0.75) / 4, middle, (high + 3 * 0.25) / 4, 0.5])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (Score(signals=["answer_entrpy"]), r"score\.signals: unknown signal 'answer_entrpy'; did you mean 'answer_ent"),
        (Score(difficulty={"ifd": 1}), r"score\.difficulty\.ifd: is not measured; measure it with score\.signals"),
        (Score(embedder="asistant"), r"score\.embedder: unknown embedder 'asistant'; did you mean 'assistant'"),
        (
            Score(embedder="assistant:x"),
            r"score\.embedder: assistant takes no name \(got 'x'\); name it in score\.base",
        ),
    ],
)
def test_names_that_nothing_answers_to_are_user_errors(
    tiny_base: Path, tmp_path: Path, settings: Score, problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        measured(tmp_path, tiny_base, settings)


def test_a_question_that_is_too_long_is_named_before_anything_is_read(tiny_base: Path, tmp_path: Path) -> None:
    long = replace(CLOSED[0], id="long", text="word " * 600)
    with pytest.raises(UserError, match=r"question long: has \d+ tokens, the base reads 512"):
        measured(tmp_path, tiny_base, ALL, [*CLOSED, long])
    assert not list((tmp_path / "scratch").iterdir())


def test_what_is_drawn_depends_on_the_seed_and_the_place_in_the_pool_alone(everything: Path, tiny_base: Path) -> None:
    """Neither a smaller batch, after an error of memory, nor another shard chooses other questions."""
    folder = everything.parent / "cut otherwise"
    measured(folder, tiny_base, ALL.model_copy(update={"shard": 5}), batch_tokens=700)
    whole, cut = (artifacts.signals(place) for place in (everything, folder / "score"))
    for column in ("answer_entropy", "sampled_entropy", "sampled_disagreement", "draft_entropy"):
        np.testing.assert_allclose(cut[column], whole[column], atol=1e-4)


class Killed(BaseException):
    """Stands for a kill."""


def test_a_killed_pass_goes_on_with_the_shard_under_way(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ALL.model_copy(update={"shard": 5})
    measured(tmp_path / "whole", tiny_base, settings)
    read_before = tmp_path / "cut/scratch/shard-5-00000010.parquet"
    real = np.save

    def dying(file: Any, *rest: Any) -> None:
        if Path(file).name == "shard-5-00000010.embeddings.npy" and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            raise Killed
        real(file, *rest)

    monkeypatch.setattr(np, "save", dying)
    with pytest.raises(Killed):
        measured(tmp_path / "cut", tiny_base, settings)
    first = (tmp_path / "cut/scratch/shard-5-00000000.parquet").stat().st_mtime_ns
    assert not read_before.exists()
    measured(tmp_path / "cut", tiny_base, settings)
    assert (tmp_path / "cut/scratch/shard-5-00000000.parquet").stat().st_mtime_ns == first
    for name in (artifacts.SCORES, artifacts.EMBEDDINGS):
        assert (tmp_path / "cut/score" / name).read_bytes() == (tmp_path / "whole/score" / name).read_bytes()


def test_half_embeddings_are_float16_or_refused(tiny_base: Path, tmp_path: Path) -> None:
    measured(tmp_path / "a", tiny_base, Score(signals=["length"], difficulty={"prompt_tokens": 1}))
    measured(tmp_path / "b", tiny_base, Score(signals=["length"], difficulty={"prompt_tokens": 1}, half=True))
    whole, half = (artifacts.embeddings(tmp_path / name / "score") for name in "ab")
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, whole, rtol=1e-3, atol=1e-3)


def test_states_weighted_by_position_lie_beside_the_embeddings(tiny_base: Path, tmp_path: Path, tiny: Model) -> None:
    measured(tmp_path, tiny_base, Score(signals=["length"], difficulty={"prompt_tokens": 1}, weighted=True))
    states = plain_states(tiny, HEADS[0])
    weights = torch.arange(1.0, len(states) + 1)
    expected = (states * weights[:, None]).sum(0) / weights.sum()
    found = artifacts.weighted(tmp_path / "score")
    assert found is not None
    np.testing.assert_allclose(found[0], expected, atol=1e-4)
    np.testing.assert_allclose(artifacts.embeddings(tmp_path / "score")[0], states.mean(0), atol=1e-4)


def test_an_embedder_that_is_not_installed_says_how_to_install_it(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library, name in (("model2vec", "model2vec"), ("sentence_transformers", "sentence-transformers")):
        monkeypatch.setitem(__import__("sys").modules, library, None)
        with pytest.raises(UserError, match=rf"{name} is not installed; run: pip install 'bridge-distill\[{name}\]'"):
            measured(tmp_path, tiny_base, Score(embedder=f"{name}:owner/name"))


def static_model(folder: Path, base: Path) -> str:
    """A model2vec model with a random vector for each token of the tiny base."""
    model2vec = pytest.importorskip("model2vec")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    vectors = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), 16)).astype(np.float32)
    model2vec.StaticModel(vectors, tokenizer).save_pretrained(folder)
    return f"model2vec:{folder}"


def sentence_model(folder: Path, base: Path) -> str:
    """The tiny base, whose states the library averages."""
    pytest.importorskip("sentence_transformers").SentenceTransformer(str(base)).save(str(folder))
    return f"sentence-transformers:{folder}"


@pytest.mark.parametrize("made", [static_model, sentence_model])
def test_other_embedders_place_questions_by_their_words(tiny_base: Path, tmp_path: Path, made: Any) -> None:
    settings = Score(signals=["length"], difficulty={"prompt_tokens": 1}, embedder=made(tmp_path / "model", tiny_base))
    measured(tmp_path, tiny_base, settings)
    vectors = np.array(artifacts.embeddings(tmp_path / "score"))
    assert vectors.shape[0] == 24
    assert vectors.dtype == np.float32
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = (unit @ unit.T - 2 * np.eye(24)).argmax(1)
    assert ((near >= 18) == (np.arange(24) >= 18)).mean() > 0.9, "the nearest is of the same task"
    with pytest.raises(UserError, match="cannot load"):
        measured(tmp_path / "x", tiny_base, settings.model_copy(update={"embedder": f"{settings.embedder}/nothing"}))


def test_shards_are_made_one_at_a_time_and_arrays_joined_whole(tmp_path: Path) -> None:
    held: list[int] = []

    def numbers() -> Any:
        for number in range(10):
            held.append(number)
            yield number

    def make(part: Sequence[int], start: int, file: Path) -> None:
        assert len(held) == start + len(part), "no item is read before its shard"
        np.save(file.with_suffix(".npy"), np.array(part, np.float32)[:, None])
        file.touch()

    files = [file.with_suffix(".npy") for file in shard_files(numbers(), 4, tmp_path, make, lambda done=1: None)]
    join_arrays(files, tmp_path / "all.npy", 10, np.float32)
    np.testing.assert_array_equal(np.load(tmp_path / "all.npy")[:, 0], np.arange(10))
    with pytest.raises(ValueError, match="have 10 rows, not 11"):
        join_arrays(files, tmp_path / "more.npy", 11, np.float32)
    assert not (tmp_path / "more.npy").exists()
