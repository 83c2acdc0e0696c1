"""Every engine writes the same greedy text; what it says of a text is what the model says."""

from __future__ import annotations

import copy
import math
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bridge_distill import artifacts, practice, prompts
from bridge_distill.assistant import tutor
from bridge_distill.config import Compute, Evaluate, Run, Tutor
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.evaluation import grade
from bridge_distill.models.batches import batches
from bridge_distill.models.engines.transformers import Transformers
from bridge_distill.models.engines.vllm import served_name
from bridge_distill.models.generator import Asked, Decoding, Generation, Generator, engines, open_generator
from bridge_distill.models.lanes import in_lanes, lanes_of
from bridge_distill.models.load import Model, load
from bridge_distill.models.writing import before
from bridge_distill.pipeline import check
from bridge_distill.records import Question
from completions import Server, serving
from scribe import write_after

QUESTIONS = practice.make("legal", 10, 3, 0.0)
PROMPTS = [prompts.local(question) for question in QUESTIONS]
ASKED = [Asked(prompt) for prompt in PROMPTS]


@pytest.fixture(scope="module")
def tiny(tiny_base: Path) -> Model:
    return load(str(tiny_base), Compute(), "base")


@pytest.fixture(scope="module")
def server(tiny: Model, tiny_base: Path) -> Iterator[Server]:
    with serving(tiny, "another", served_name(str(tiny_base), "base")) as found:
        yield found


@pytest.fixture(params=engines.names())
def generator(request: pytest.FixtureRequest, tiny_base: Path) -> Generator:
    engine = engines.get(request.param, "compute.engine")
    url = request.getfixturevalue("server").url if engine.by_url else None
    return open_generator(str(tiny_base), Compute(engine=request.param, engine_url=url), "base")


def texts(written: list[list[Generation]]) -> list[list[str]]:
    return [[one.text for one in samples] for samples in written]


def test_every_engine_writes_the_same_greedy_text(generator: Generator, tiny: Model) -> None:
    ours = write_after(tiny, PROMPTS, Decoding(40))
    ticks: list[int] = []
    theirs = generator.write(ASKED, Decoding(40), 0, lambda done=1: ticks.append(done))
    assert texts(theirs) == texts(ours)
    assert sum(ticks) == len(ASKED)
    for [mine], [other] in zip(ours, theirs, strict=True):
        assert (other.tokens, other.finished) == (mine.tokens, mine.finished)
        assert other.log_probability == pytest.approx(mine.log_probability, abs=1e-4)
        assert math.isnan(other.entropy)
        assert math.isnan(other.top_entropy)


def test_every_engine_goes_on_after_what_was_begun(generator: Generator, tiny: Model) -> None:
    whole = [samples[0] for samples in write_after(tiny, PROMPTS, Decoding(60))]
    assert all(one.finished for one in whole)
    begun = [one.text[: one.text.rindex("\nAnswer")] for one in whole]
    asked = [Asked(prompt, start) for prompt, start in zip(PROMPTS, begun, strict=True)]
    for [one], start, alone in zip(generator.write(asked, Decoding(60), 0), begun, whole, strict=True):
        assert start + one.text == alone.text


def test_every_engine_ends_before_the_first_stop_string(generator: Generator, tiny: Model) -> None:
    whole = [samples[0] for samples in write_after(tiny, PROMPTS, Decoding(60))]
    for [one], alone in zip(generator.write(ASKED, Decoding(60, stop=("wer:", "Ans")), 0), whole, strict=True):
        assert one.text == alone.text[: alone.text.index("Ans")].strip()
        assert one.finished
        assert one.tokens < alone.tokens


def test_every_engine_samples_by_seed_and_position(generator: Generator) -> None:
    decoding = Decoding(12, temperature=1.5, samples=3)
    whole = texts(generator.write(ASKED[:6], decoding, 1))
    assert all(len(samples) == 3 for samples in whole)
    assert len({text for samples in whole for text in samples}) > 12
    assert texts(generator.write(ASKED[2:6], decoding, 1, positions=range(2, 6))) == whole[2:]
    some = [5, 0, 3]
    again = generator.write([ASKED[at] for at in some], decoding, 1, positions=some)
    assert texts(again) == [whole[at] for at in some]
    assert texts(generator.write(ASKED[:6], decoding, 2)) != whole


def test_every_engine_counts_the_tokens_that_it_draws(generator: Generator) -> None:
    [[one]] = generator.write(ASKED[:1], Decoding(60), 0)
    assert generator.count(one.text) == one.tokens
    assert generator.count("") == 0


@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=3), max_size=4))
def test_what_stands_before_a_stop_string_holds_none_and_is_the_longest_such(text: str, stop: list[str]) -> None:
    kept, stopped = before(text, stop)
    assert text.startswith(kept)
    assert not any(one in kept for one in stop)
    assert stopped == any(one in text for one in stop) == (kept != text)
    assert not stopped or any(text.startswith(one, len(kept)) for one in stop)


def test_a_stop_string_ends_the_work_too(tiny: Model) -> None:
    passes: list[int] = []
    watch = tiny.network.register_forward_hook(lambda *about: passes.append(1))
    [[one]] = write_after(tiny, PROMPTS[:1], Decoding(60, stop=("Answer",)))
    watch.remove()
    assert one.tokens == len(passes) > 1


def test_entropies_are_measured_where_they_are_asked_for(tiny: Model) -> None:
    [[one]] = write_after(tiny, PROMPTS[:1], Decoding(20, entropies=True))
    assert one.top_entropy >= one.entropy > 0


def test_a_server_is_asked_again_after_a_failure(server: Server, tiny_base: Path) -> None:
    generator = open_generator(str(tiny_base), Compute(engine="vllm", engine_url=server.url), "base")
    before = texts(generator.write(ASKED[:1], Decoding(8), 0))
    server.failures[:] = [503]
    assert texts(generator.write(ASKED[:1], Decoding(8), 0)) == before
    server.failures[:] = [400]
    with pytest.raises(UserError, match=r"compute\.engine_url: .* refuses \(.*not now"):
        generator.write(ASKED[:1], Decoding(8), 0)


def test_a_server_without_log_probabilities_is_refused(server: Server, tiny_base: Path) -> None:
    generator = open_generator(str(tiny_base), Compute(engine="vllm", engine_url=server.url), "base")
    server.logprobs = False
    with pytest.raises(UserError, match="gives no log-probabilities"):
        generator.write(ASKED[:1], Decoding(8), 0)
    server.logprobs = True


def test_a_server_of_other_weights_is_refused_with_the_command_that_serves_the_right_ones(
    server: Server, tiny_base: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    assert served_name(str(other), "base") == served_name(str(tiny_base), "base")
    config = other / "config.json"
    config.write_text(config.read_text() + " ")
    name = served_name(str(other), "base")
    with pytest.raises(UserError, match=f"serves another, .*; run: vllm serve {other} --served-model-name {name} "):
        open_generator(str(other), Compute(engine="vllm", engine_url=server.url), "base")


def test_a_server_that_does_not_answer_is_named(tiny: Model, tiny_base: Path) -> None:
    with serving(tiny, "any") as gone:
        url = gone.url
    with pytest.raises(UserError, match=rf"compute\.engine_url: {url} does not answer"):
        open_generator(str(tiny_base), Compute(engine="vllm", engine_url=url), "base")


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (Compute(engine="vlm"), "compute.engine: unknown engine 'vlm'; did you mean 'vllm'"),
        (Compute(engine="vllm"), "compute.engine_url: is not set for engine 'vllm'"),
        (Compute(engine="vllm", engine_url="http://here:80a0/v1"), "compute.engine_url: http://here:80a0/v1 is no"),
        (Compute(engine="vllm", engine_url="http://[::1/v1"), "compute.engine_url: http://[::1/v1 is no address"),
        (Compute(engine="vllm", engine_url="here:8000/v1"), "compute.engine_url: here:8000/v1 is no address"),
        (Compute(engine_url="http://x"), "compute.engine_url: has no use for engine 'transformers'"),
    ],
)
def test_an_engine_that_cannot_be_opened_says_why(tiny_base: Path, compute: Compute, message: str) -> None:
    with pytest.raises(UserError) as caught:
        open_generator(str(tiny_base), compute, "base")
    assert message in str(caught.value)


def test_an_engine_is_no_part_of_what_a_run_produces_and_is_checked_before_it_starts() -> None:
    def run(**compute: str) -> Run:
        given = {"name": "r", "data": {"train": "a.jsonl", "test": "b.jsonl"}, "budget": {"queries": 5}}
        return Run.model_validate({**given, "teacher": {"provider": "expert"}, "compute": compute})

    assert run().identity() == run(engine="vllm", engine_url="http://localhost:8000/v1").identity()
    with pytest.raises(UserError, match=r"compute\.engine_url: is not set"):
        check(run(engine="vllm"), None, with_key=False)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99", "meta", ""])
def test_a_device_that_is_not_here_is_refused_before_anything_is_paid(device: str) -> None:
    plain = {"name": "r", "data": {"train": "practice:legal?n=40&seed=1", "test": "practice:legal?n=12&seed=2"}}
    plain |= {
        "budget": {"queries": 5},
        "teacher": {"provider": "expert", "prices": {"expert": {"input": 0, "output": 0}}},
    }
    check(Run.model_validate(plain | {"compute": {"device": "cpu"}}), None, with_key=True)
    with pytest.raises(UserError, match=rf"compute\.device: cannot use '{device}' \(.+\); .* cuda"):
        check(Run.model_validate(plain | {"compute": {"device": device}}), None, with_key=True)


def test_tutor_and_test_give_the_same_rows_by_any_engine(server: Server, tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "assistant" / artifacts.MODEL)
    (tmp_path / "data").mkdir()
    write_rows(tmp_path / "data" / artifacts.TRAIN, Question, QUESTIONS)
    rows = []
    for compute in (Compute(), Compute(engine="vllm", engine_url=server.url)):
        root = tmp_path / compute.engine
        for name in ("tutor", "scratch", "test", "tested"):
            (root / name).mkdir(parents=True)
        tutor(Tutor(), tmp_path / "data", tmp_path / "assistant", root / "tutor", root / "scratch", compute, 0)
        name = str(tmp_path / "assistant" / artifacts.MODEL)
        scores = grade(Evaluate(), "assistant", name, QUESTIONS, root / "test", root / "tested", compute)
        told = [(row.text, row.answer, row.kept) for row in artifacts.rationales(root / "tutor")]
        rows.append((told, scores["correct"], scores["tokens"]))
    assert rows[0] == rows[1]
    assert any(kept for _, _, kept in rows[0][0])


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Two threads for torch, and as many as before afterwards, whatever a test sets."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("decoding", [Decoding(40), Decoding(12, temperature=1.5, samples=3)])
def test_batches_under_way_side_by_side_write_what_one_at_a_time_does(tiny: Model, decoding: Decoding) -> None:
    names: set[str] = set()
    watch = tiny.network.register_forward_pre_hook(lambda *about: names.add(threading.current_thread().name))
    ticks: list[int] = []
    together = Transformers(tiny, 4096).write(ASKED, decoding, 5, lambda done=1: ticks.append(done))
    assert len(names) == len(ticks) == 2
    assert sum(ticks) == len(ASKED)
    names.clear()
    alone = Transformers(tiny, 4095).write(ASKED, decoding, 5)
    assert names == {threading.current_thread().name}
    watch.remove()
    assert texts(together) == texts(alone)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("threads", "lanes"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 1), (6, 3), (7, 1), (8, 4)])
@pytest.mark.usefixtures("two_threads")
def test_lanes_leave_no_thread_idle(tiny: Model, threads: int, lanes: int) -> None:
    torch.set_num_threads(threads)
    assert lanes_of(tiny.network, 8192, 100) == lanes
    assert lanes_of(tiny.network, 8192, 8192) == 1


@pytest.mark.usefixtures("two_threads")
def test_position_embeddings_that_grow_with_a_text_are_never_shared(tiny: Model) -> None:
    network = copy.deepcopy(tiny.network)
    for rope in ({"rope_type": "dynamic"}, {"full_attention": {"rope_type": "longrope"}}):
        network.config.rope_parameters = rope
        assert lanes_of(network, 8192, 100) == 1


@pytest.mark.usefixtures("two_threads")
def test_where_a_batch_fails_the_one_beside_it_ends_too() -> None:
    network, started, finished = torch.nn.Identity(), threading.Event(), []

    def work(job: int) -> None:
        if job == 0:
            started.wait()
            raise MemoryError
        started.set()
        for _ in range(10_000_000):
            network(job)
        finished.append(job)

    with pytest.raises(MemoryError):
        list(in_lanes(network, work, range(9), 2))
    assert not finished
    assert not network._forward_pre_hooks
    assert torch.get_num_threads() == 2


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(1, 2000), st.integers(1, 5))
def test_groups_hold_every_row_once_within_their_tokens(lengths: list[int], limit: int, lanes: int) -> None:
    alone, found = batches(lengths, limit), batches(lengths, limit, lanes)
    for groups in (alone, found):
        assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
        assert all(len(group) * max(lengths[row] for row in group) <= limit for group in groups if len(group) > 1)
    assert len(alone) <= len(found) <= -(-len(alone) // lanes) * lanes
    largest = max(len(group) * max(lengths[row] for row in group) for group in found)
    assert largest <= max(len(group) * max(lengths[row] for row in group) for group in alone)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("limit", "samples"), [(600, 1), (4096, 1), (4096, 4), (4096, 30)])
def test_what_is_under_way_stays_within_its_tokens(tiny: Model, limit: int, samples: int) -> None:
    held: dict[str, int] = {}
    most = []

    def note(module: object, args: object, given: dict[str, torch.Tensor]) -> None:
        held[threading.current_thread().name] = given["attention_mask"].numel()
        most.append(sum(held.values()))

    watch = tiny.network.register_forward_pre_hook(note, with_kwargs=True)
    Transformers(tiny, limit).write(ASKED, Decoding(20, temperature=1.0, samples=samples), 0)
    watch.remove()
    assert max(most) <= max(limit, samples * (max(len(tiny.prompt_ids(prompt)) for prompt in PROMPTS) + 20))
