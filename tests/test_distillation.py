"""What a student learns from probabilities is what the formulas say, whichever tokenizers the two models have."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, kl_div

from bridge_distill import practice, prompts
from bridge_distill.config import Compute, Shrink
from bridge_distill.models.distillation.divergences import divergence
from bridge_distill.models.distillation.events import Side, events, likeliest, summed
from bridge_distill.models.distillation.grading import Grades, grade, heard
from bridge_distill.models.distillation.losses import Marked, Mix, mixed
from bridge_distill.models.distillation.pairs import Readers, sound, spans
from bridge_distill.models.distillation.tokens import shared, surfaces
from bridge_distill.models.load import Model, load, text_ids
from bridge_distill.models.shrink import cut
from families import loaded, save

QUESTIONS = practice.make("legal", 40, 3, 0.0)
TEXTS = [(prompts.local(q), practice.explain(q, phrasing=0, error=False)) for q in QUESTIONS]
SLOWLY = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(max_examples=60, deadline=None)
numbers = st.integers(0, 2**31 - 1)


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Model:
    return load(str(tiny_base), Compute(), "base")


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Another family: other merges, spaces and bytes that are tokens of their own, other special tokens."""
    return loaded(save("gemma2", tmp_path_factory.mktemp("other")))


def trimmed(tiny_base: Path, texts: int, common: int) -> Model:
    shrink = Shrink(layers=2, vocabulary="task", common_tokens=common)
    return cut(load(str(tiny_base), Compute(), "base"), shrink, [f"{a} {b}" for a, b in TEXTS[:texts]], "s")


def logs(seed: int, rows: int, events: int, spread: float = 3.0) -> Any:
    return (spread * torch.randn(rows, events, generator=torch.Generator().manual_seed(seed))).log_softmax(-1)


@lru_cache
def table(tokenizer: Any) -> list[bytes | None]:
    return surfaces(tokenizer, len(tokenizer))


def said(model: Model, text: str) -> list[bytes]:
    """What each token of a text says."""
    return [table(model.tokenizer)[token] or b"" for token in text_ids(model.tokenizer, text)]


def ended(model: Model, text: str) -> list[int]:
    return [*text_ids(model.tokenizer, text), model.tokenizer.eos_token_id]


@FEW
@given(seed=numbers, size=st.integers(2, 40))
def test_the_ends_are_the_two_divergences_of_kullback_and_leibler(seed: int, size: int) -> None:
    assistant, student = logs(seed, 3, size), logs(seed + 1, 3, size)
    plain = kl_div(student, assistant, reduction="none", log_target=True).sum(-1)
    assert torch.allclose(divergence(assistant, student, 0.0), plain, atol=1e-5)
    plain = kl_div(assistant, student, reduction="none", log_target=True).sum(-1)
    assert torch.allclose(divergence(assistant, student, 1.0), plain, atol=1e-5)


@FEW
@given(seed=numbers, beta=st.floats(0.05, 0.95))
def test_between_the_ends_lies_the_generalised_jensen_shannon_divergence(seed: int, beta: float) -> None:
    assistant, student = logs(seed, 3, 12), logs(seed + 1, 3, 12)
    middle = (beta * assistant.exp() + (1 - beta) * student.exp()).log()
    plain = beta * kl_div(middle, assistant, reduction="none", log_target=True).sum(-1)
    plain += (1 - beta) * kl_div(middle, student, reduction="none", log_target=True).sum(-1)
    assert torch.allclose(divergence(assistant, student, beta), plain, atol=1e-5)


@FEW
@given(seed=numbers, k=st.integers(1, 30), beta=st.sampled_from([0.0, 0.3, 1.0]))
def test_the_likeliest_tokens_and_the_rest_never_exceed_the_whole_divergence(seed: int, k: int, beta: float) -> None:
    size = 30
    one, other = (told(logs(seed + i, 4, size)) for i in (0, 1))
    kept = likeliest(one, k)
    few = divergence(summed(one, kept), summed(other, kept), beta)
    whole = divergence(one, other, beta)
    assert (few <= whole + 1e-5).all()
    if k == size:
        assert torch.allclose(few, whole, atol=1e-5)


def told(found: Any) -> Any:
    """Events of tokens that are classes of their own."""
    rows, size = found.shape
    side = Side(found, torch.zeros(rows, dtype=torch.long), torch.ones(rows, dtype=torch.long), torch.arange(size))
    return events(side, torch.zeros(rows, dtype=torch.bool), size, 1.0)


@FEW
@given(seed=numbers, weight=st.floats(0.1, 1), temperature=st.floats(0.5, 3), beta=st.sampled_from([0.0, 1.0]))
def test_loss_and_gradient_are_those_of_the_plain_formula(
    seed: int, weight: float, temperature: float, beta: float
) -> None:
    raw, theirs = logs(seed, 5, 9, 1.0), logs(seed + 1, 5, 9, 1.0)
    targets = torch.arange(5)
    ones, places = torch.ones(5, dtype=torch.long), torch.arange(5)
    ours, plainly = raw.clone().requires_grad_(), raw.clone().requires_grad_()
    soft = (theirs / temperature).log_softmax(-1)
    marked = Marked(places, ones, torch.zeros(5, dtype=torch.bool), told(soft))
    found = mixed(ours, targets, marked, torch.arange(9), 9, Mix(weight, beta, temperature))
    student = (plainly / temperature).log_softmax(-1)
    of, to = (soft, student) if beta == 0 else (student, soft)
    apart = (of.exp() * (of - to)).sum(-1)
    plain = (1 - weight) * cross_entropy(plainly, targets, reduction="none") + weight * temperature**2 * apart
    assert torch.allclose(found, plain, atol=1e-4)
    found.sum().backward()
    plain.sum().backward()
    assert torch.allclose(ours.grad, plainly.grad, atol=1e-4)  # type: ignore[arg-type]


@SLOWLY
@given(sizes=st.tuples(st.integers(0, 40), st.integers(0, 40)), commons=st.tuples(st.integers(0, 300), numbers))
def test_tokens_of_two_trims_are_one_class_if_they_are_one_token(
    tiny_base: Path, sizes: tuple[int, int], commons: tuple[int, int]
) -> None:
    one, other = trimmed(tiny_base, sizes[0], commons[0]), trimmed(tiny_base, sizes[1], commons[1] % 300)
    found = shared(one, other)
    ours, theirs = one.tokenizer.get_vocab(), other.tokenizer.get_vocab()
    assert found.same == (ours == theirs)
    assert len(found.student) == len(ours)
    assert len(found.assistant) == len(theirs)
    for token in ours.keys() & theirs.keys():
        assert found.student[ours[token]] == found.assistant[theirs[token]]
    both = [found.student[ours[token]] for token in ours.keys() & theirs.keys()]
    assert len(set(both)) == len(both), "two tokens that both have are told apart"
    for token in ours.keys() - theirs.keys():
        text = (table(one.tokenizer)[ours[token]] or b"").decode("utf-8", "ignore")
        first = text_ids(other.tokenizer, text)[:1]
        assert not first or found.student[ours[token]] == found.assistant[first[0]]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(max_size=60), texts=st.integers(0, 6))
def test_spans_say_the_same_in_both_readings_of_any_text(
    base: Model, pieces: Model, small: Model, text: str, texts: int
) -> None:
    for other in (pieces, small):
        sides = [said(model, text) for model in (base, other)]
        found = spans(*sides)
        assert (found > 0).all()
        at = np.zeros(2, dtype=int)
        for count in found:
            same = [b"".join(side[start:end]) for side, start, end in zip(sides, at, at + count, strict=True)]
            assert same[0].strip(b" ") == same[1].strip(b" ")
            at += count
        if other is small:
            assert at.tolist() == [len(side) for side in sides]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=st.binary(max_size=20), cuts=st.lists(st.integers(0, 20)))
def test_tokens_that_say_no_text_are_read_as_decoding_writes_them(raw: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(raw), *(min(cut, len(raw)) for cut in cuts)})
    parts = [raw[a:b] for a, b in pairwise(places)]
    assert b"".join(sound(parts)).decode() == raw.decode(errors="replace")
    assert len(sound(parts)) == len(parts)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(tokens=st.lists(st.integers(3, 599), max_size=30), ends=st.booleans())
def test_whatever_a_student_writes_is_compared_to_its_end(
    base: Model, small: Model, tokens: list[int], ends: bool
) -> None:
    pair = Readers(base, small).pair("Why?", [*tokens, *([base.tokenizer.eos_token_id] if ends else [])])
    assert pair.spans.sum(0).tolist() == [len(pair.student.completion), len(pair.assistant.completion)]


@pytest.fixture(scope="module")
def small(tiny_base: Path) -> Model:
    return trimmed(tiny_base, 0, 5)


@pytest.mark.parametrize("k", [1, 8, 10_000])
@pytest.mark.parametrize("other", ["base", "small", "pieces"])
def test_what_both_sides_say_of_a_text_are_whole_distributions_over_the_same_events(
    request: pytest.FixtureRequest, base: Model, other: str, k: int
) -> None:
    assistant = request.getfixturevalue(other)
    readers = Readers(base, assistant)
    prompt, text = TEXTS[0]
    pair = readers.pair(prompt, ended(base, text))
    assert pair.spans.sum(0).tolist() == [len(pair.student.completion), len(pair.assistant.completion)]
    (found,) = heard(readers, assistant, [pair], 1.0)
    kept = likeliest(found, k)
    assert torch.allclose(found.exp().sum(-1), torch.ones(len(found)), atol=1e-4)
    assert torch.allclose(summed(found, kept).exp().sum(-1), torch.ones(len(found)), atol=1e-4)
    if other != "base":
        assert (pair.spans > 1).any(), "the readings differ"


def test_a_student_that_is_its_assistant_has_nothing_to_learn(base: Model) -> None:
    readers = Readers(base, base)
    prompt, text = TEXTS[1]
    tokens = ended(base, text)
    pair = readers.pair(prompt, tokens)
    (found,) = heard(readers, base, [pair], 1.0)
    ids = torch.tensor([pair.student.ids])
    with torch.no_grad():
        logits = base.network(ids).logits[0, len(pair.student.prompt) - 1 : -1]
    ones = torch.ones(len(tokens), dtype=torch.long)
    marked = Marked(torch.arange(len(tokens)), ones, ones == 0, found)
    classes = torch.from_numpy(readers.shared.student)
    losses = mixed(logits, torch.tensor(tokens), marked, classes, readers.shared.count, Mix(1.0, 0.0, 1.0))
    assert losses.abs().max() < 1e-4


def test_grades_are_the_same_bytes_after_a_kill(base: Model, small: Model, tmp_path: Path) -> None:
    texts = [(prompt, ended(small, text)) for prompt, text in TEXTS * 4]
    readers = Readers(small, base)
    whole = grade(readers, base, texts, 4, 1.0, tmp_path / "whole", 2000, "reading")
    grade(readers, base, texts, 4, 1.0, tmp_path / "again", 2000, "reading")
    (tmp_path / "again" / "texts.parquet").unlink()
    next((tmp_path / "again").glob("shard-*-00000064.parquet")).unlink()
    again = grade(readers, base, texts, 4, 1.0, tmp_path / "again", 2000, "reading")
    assert len(whole) == len(again) == len(texts)
    for name in ("spans.npy", "classes.npy", "logs.npy"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_grades_on_disk_are_what_the_assistant_said(base: Model, small: Model, tmp_path: Path) -> None:
    texts = [(prompt, ended(small, text)) for prompt, text in TEXTS[:5]]
    readers = Readers(small, base)
    grade(readers, base, texts, 6, 2.0, tmp_path, 500, "reading")
    found = Grades(tmp_path)
    pairs = [readers.pair(*text) for text in texts]
    assert found.read == sum(len(pair.assistant.ids) for pair in pairs)
    for number, said in enumerate(heard(readers, base, pairs, 2.0)):
        assert found.tokens(number) == len(texts[number][1])
        kept = torch.from_numpy(found[number].classes.astype(np.int64))
        stored = torch.from_numpy(found[number].logs.astype(np.float32))
        assert (stored.exp() - summed(said, kept).exp()).abs().max() < 2e-3
