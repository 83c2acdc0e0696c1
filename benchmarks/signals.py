"""How long sampled short answers take: the prompt read once for all samples, against once for each.

Both draw the same samples from the same model with the same token limit and batch size, in the same run;
the floor is reading each prompt once.

    python benchmarks/signals.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import replace

import torch

from bridge_distill import practice, prompts
from bridge_distill.answers import MARK
from bridge_distill.config import Compute, Shrink
from bridge_distill.models.batches import batches
from bridge_distill.models.generator import Decoding
from bridge_distill.models.load import Model, load
from bridge_distill.models.reading import read
from bridge_distill.models.shrink import cut
from bridge_distill.models.writing import continued, draws_of

BATCH_TOKENS, TOKENS = 8192, 12


def sample(model: Model, heads: list[list[int]], samples: int, shared: bool) -> tuple[float, list[str]]:
    """Seconds of sampling answers to all prompts, in batches of like length, and the answers."""
    tail = model.tokenizer(MARK, add_special_tokens=False)["input_ids"]
    decoding, texts, seconds = Decoding(TOKENS, temperature=1.0, samples=samples), [], 0.0
    for rows in batches([len(head) + len(tail) + TOKENS for head in heads], BATCH_TOKENS // samples):
        started = time.perf_counter()
        reading = read(model, [heads[row] for row in rows], tail)
        if not shared:  # the prompts are read in writing, so this reading does not count
            reading, started = replace(reading, cache=None), time.perf_counter()
        made = continued(reading, range(len(rows)), decoding, draws_of(0, rows, decoding))
        texts += [written.text for part in made for written in part]
        seconds += time.perf_counter() - started
    return seconds, texts


def main() -> None:
    """Measure once and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer questions, under 50 seconds")
    count, samples = (8, 4) if parser.parse_args().quick else (48, 4)
    asked = [prompts.local(question) for question in practice.make("financial", count, 9, 0.3)]
    model = cut(load("smollm2-135m", Compute(), "base"), Shrink(vocabulary="task"), asked, "shrink")
    heads = [model.prompt_ids(prompt) for prompt in asked]
    sample(model, heads[:1], 2, shared=True)
    each, repeated = sample(model, heads, samples, shared=False)
    once, texts = sample(model, heads, samples, shared=True)
    started = time.perf_counter()
    for rows in batches([len(head) for head in heads], BATCH_TOKENS):
        read(model, [heads[row] for row in rows])
    floor = time.perf_counter() - started
    print(
        json.dumps(
            {
                "benchmark": "signals",
                "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
                "torch": torch.__version__,
                "questions": count,
                "samples": samples,
                "prompt_tokens": sum(map(len, heads)),
                "seconds": round(once, 2),
                "seconds_reading_each_time": round(each, 2),
                "times_faster": round(each / once, 2),
                "seconds_of_one_reading": round(floor, 2),
                "same_answers": texts == repeated,
            }
        )
    )


if __name__ == "__main__":
    main()
