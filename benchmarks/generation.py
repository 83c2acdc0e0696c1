"""How fast explanations are written, against transformers.pipeline, bare engines and the GEMM floor; in what memory.

Speed: all write greedily with the same model, prompts and token limit. Ours is the engine given all prompts at once;
the tutor gives it a shard at a time, which leaves more batches part full, then filters and writes Parquet: that is
in the memory part and is not timed. The pipeline and the bare engines take 32
prompts a batch, ours as many tokens as 32 of the longest have. All but the pipeline get prompts sorted by length, and
the bare engines take and give token ids: transformers' own ``generate``, and CTranslate2 in float32 where it is
installed (``pip install ctranslate2``; its conversion is not counted). The floor is 2 operations a weight and token
(prompt and reply), at the rate of a 1024 x 1024 float32 product measured in the same run. Memory: the peak of the
tutor's stage over a small pool and one 100 times as large, with a tiny model of the same vocabulary, after a first
pool to warm up.

    python benchmarks/generation.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from bridge_distill import artifacts, practice, prompts
from bridge_distill.assistant import tutor
from bridge_distill.config import Compute, Shrink, Tutor
from bridge_distill.engine.rows import write_rows
from bridge_distill.engine.stage import peak_memory
from bridge_distill.models.engines.transformers import Transformers
from bridge_distill.models.generator import Asked, Decoding
from bridge_distill.models.load import Model, load
from bridge_distill.models.reading import left_padded
from bridge_distill.models.runtime import gemm_rate
from bridge_distill.models.shrink import cut
from bridge_distill.records import Question

BATCH = 32


def mixed_questions(count: int) -> list[Question]:
    """Legal questions from the shortest to the longest kind, in mixed order."""
    levels = [practice.make("legal", -(-count // 4), 9, difficulty) for difficulty in (0.0, 0.3, 0.6, 1.0)]
    return [question for group in zip(*levels, strict=True) for question in group][:count]


def ours(model: Model, asked: list[str], tokens: int) -> tuple[float, list[int]]:
    """Seconds, and the number of tokens written for each prompt."""
    longest = max(len(model.prompt_ids(prompt)) for prompt in asked) + tokens
    started = time.perf_counter()
    written = Transformers(model, BATCH * longest).write([Asked(prompt) for prompt in asked], Decoding(tokens), 0)
    return time.perf_counter() - started, [samples[0].tokens for samples in written]


def peer(model: Model, asked: list[str], tokens: int) -> float:
    """Seconds of the pipeline that a user would set up."""
    from transformers import pipeline

    model.tokenizer.padding_side = "left"
    write = pipeline("text-generation", model=model.network, tokenizer=model.tokenizer)
    chats = [[{"role": "user", "content": prompt}] for prompt in asked]
    started = time.perf_counter()
    write(chats, batch_size=BATCH, max_new_tokens=tokens, do_sample=False)
    return time.perf_counter() - started


def bare_transformers(model: Model, rows: list[list[int]], tokens: int) -> float:
    """Seconds of transformers' own ``generate`` over the batches."""
    started = time.perf_counter()
    for batch in in_batches(rows):
        ids, mask = left_padded(batch, model.tokenizer.pad_token_id, model.network.device)
        model.network.generate(input_ids=ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False)
    return time.perf_counter() - started


def bare_ctranslate2(model: Model, rows: list[list[int]], tokens: int) -> float:
    """Seconds of CTranslate2 over the batches."""
    import ctranslate2

    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        ctranslate2.converters.TransformersConverter(f"{folder}/model").convert(f"{folder}/converted")
        engine = ctranslate2.Generator(
            f"{folder}/converted", compute_type="float32", intra_threads=torch.get_num_threads()
        )
    end = [model.tokenizer.eos_token_id]
    batches = [[model.tokenizer.convert_ids_to_tokens(row) for row in batch] for batch in in_batches(rows)]
    started = time.perf_counter()
    for batch in batches:
        engine.generate_batch(batch, max_length=tokens, end_token=end, include_prompt_in_result=False)
    return time.perf_counter() - started


def in_batches(rows: list[list[int]]) -> list[list[list[int]]]:
    """Prompts sorted by length, in batches."""
    ordered = sorted(rows, key=len, reverse=True)
    return [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]


def bare(model: Model, asked: list[str], tokens: int) -> dict[str, float]:
    """Seconds of each engine that is here, called bare."""
    rows = [model.prompt_ids(prompt) for prompt in asked]
    found = {"transformers": bare_transformers(model, rows, tokens)}
    if find_spec("ctranslate2"):
        found["ctranslate2"] = bare_ctranslate2(model, rows, tokens)
    return found


def speed(model: Model, asked: list[str], tokens: int) -> dict[str, Any]:
    """Seconds of all, and their ratios."""
    ours(model, asked[:2], 2)
    seconds, written = ours(model, asked, tokens)
    other, engines = peer(model, asked, tokens), bare(model, asked, tokens)
    read = sum(len(model.prompt_ids(prompt)) for prompt in asked)
    floor = 2 * model.parameters * (read + sum(written)) / gemm_rate()
    return {
        "prompts": len(asked),
        "tokens_read": read,
        "tokens_written": sum(written),
        "seconds": round(seconds, 2),
        "pipeline_seconds": round(other, 2),
        "bare_seconds": {name: round(spent, 2) for name, spent in engines.items()},
        "rationales_per_second": round(len(asked) / seconds, 2),
        "times_pipeline": round(other / seconds, 2),
        "times_fastest_bare": round(min(engines.values()) / seconds, 2),
        "share_of_floor": round(floor / seconds, 2),
    }


def memory(tokenizer: Any, questions: list[Question], count: int, growth: int) -> dict[str, Any]:
    """Peak memory of the tutor over ``count`` and over ``growth`` times as many questions."""
    from transformers import LlamaConfig, LlamaForCausalLM

    size: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    heads: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 2}
    torch.manual_seed(0)
    tiny = Model(LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **size, **heads)), tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tiny.save(root / "assistant" / artifacts.MODEL)
        explained(root / "warm", root / "assistant", questions, count)
        small = explained(root / "small", root / "assistant", questions, count)
        large = explained(root / "large", root / "assistant", questions, growth * count)
    return {
        "memory_prompts": [count, growth * count],
        "peak_megabytes": [round(peak / 1e6, 1) for peak in (small, large)],
        "times_memory": round(large / small, 3),
    }


def explained(root: Path, assistant: Path, questions: list[Question], count: int) -> int:
    """Peak resident bytes while a pool of ``count`` questions, over and over the same, is explained twice each."""
    for name in ("data", "tutor", "scratch"):
        (root / name).mkdir(parents=True)
    pool = (replace(questions[row % len(questions)], id=str(row)) for row in range(count))
    write_rows(root / "data" / artifacts.TRAIN, Question, pool)
    # Not those that would leave nothing of what a model of random weights says.
    filters = ["steps", "repetition", "length", "near_duplicates"]
    settings = Tutor(samples=2, temperature=1.0, max_new_tokens=2, filters=filters)
    with peak_memory() as peak:
        tutor(settings, root / "data", assistant, root / "tutor", root / "scratch", Compute(), 0)
        return peak()


def main() -> None:
    """Measure once and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer prompts, under 50 seconds")
    count, tokens, pool, growth = (8, 4, 20, 10) if parser.parse_args().quick else (500, 48, 500, 100)
    questions = mixed_questions(count)
    asked = [prompts.local(question) for question in questions]
    model = cut(load("smollm2-135m", Compute(), "base"), Shrink(vocabulary="task"), asked, "shrink")
    about = {"machine": f"{platform.machine()}, {torch.get_num_threads()} threads", "torch": torch.__version__}
    held = memory(model.tokenizer, questions, pool, growth)
    print(json.dumps({"benchmark": "generation", **about, **speed(model, asked, tokens), **held}))


if __name__ == "__main__":
    main()
