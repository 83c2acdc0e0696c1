"""How fast explanations are written: ours against transformers.pipeline, and against the GEMM floor.

Both write greedily with the same model, prompts, token limit and batch size; ours sorts prompts by
length first. The floor is 2 operations a weight and token (prompt and reply), at the rate of a
1024 x 1024 float32 product measured in the same run.

    python benchmarks/generation.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import platform
import time

import torch

from bridge_distill import practice, prompts
from bridge_distill.config import Compute, Shrink
from bridge_distill.models.generate import Decoding, generate
from bridge_distill.models.load import Model, cut, load
from bridge_distill.models.runtime import gemm_rate

BATCH = 32


def mixed_prompts(count: int) -> list[str]:
    """Legal questions from the shortest to the longest kind, in mixed order."""
    levels = [practice.make("legal", -(-count // 4), 9, difficulty) for difficulty in (0.0, 0.3, 0.6, 1.0)]
    return [prompts.local(question) for group in zip(*levels, strict=True) for question in group][:count]


def ours(model: Model, asked: list[str], tokens: int) -> tuple[float, list[int]]:
    """Seconds, and the number of tokens written for each prompt."""
    longest = max(len(model.prompt_ids(prompt)) for prompt in asked) + tokens
    started = time.perf_counter()
    written = generate(model, asked, Decoding(tokens), BATCH * longest, 0)
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


def main() -> None:
    """Measure once and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer prompts, under 50 seconds")
    count, tokens = (24, 16) if parser.parse_args().quick else (256, 48)
    asked = mixed_prompts(count)
    model = cut(load("smollm2-135m", Compute(), "base"), Shrink(vocabulary="task"), asked, "shrink")
    generate(model, asked[:2], Decoding(2), 1024, 0)
    seconds, written = ours(model, asked, tokens)
    other = peer(model, asked, tokens)
    read = sum(len(model.prompt_ids(prompt)) for prompt in asked)
    floor = 2 * model.parameters * (read + sum(written)) / gemm_rate()
    print(
        json.dumps(
            {
                "benchmark": "generation",
                "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
                "torch": torch.__version__,
                "prompts": count,
                "tokens_read": read,
                "tokens_written": sum(written),
                "seconds": round(seconds, 2),
                "pipeline_seconds": round(other, 2),
                "times_pipeline": round(other / seconds, 2),
                "share_of_floor": round(floor / seconds, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
