"""How long a pool of traces takes to be curated, gate by gate: 59,000 made traces to 1,000.

The traces are as long as recorded ones of strong models are (600 words on average), and one in five has
one of the faults that the gates are for. No model is asked: difficulty and vectors lie in files, as a score stage
leaves them, or, with ``--words``, come from the traces' length and the questions' words. The floor is reading the file
as JSON.

    python benchmarks/curation.py [--quick] [--words]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bridge_distill.curation import Settings, curate
from bridge_distill.engine.columns import write_columns
from bridge_distill.engine.stage import peak_memory

TOPICS, WIDTH, LETTERS = 60, 384, "abcdefghijklmnopqrstuvwxyz"


def made_pool(path: Path, count: int) -> None:
    """Write ``count`` traces over 60 topics, each with words of its own among common ones."""
    rng = random.Random(0)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(2, 9))) for _ in range(6000)]
    topics = [rng.sample(words, 120) for _ in range(TOPICS)]
    with path.open("w") as stream:
        for number in range(count):
            stream.write(json.dumps(_row(rng, number, topics[number % TOPICS], words)) + "\n")


def _row(rng: random.Random, number: int, topic: list[str], words: list[str]) -> dict[str, Any]:
    question = " ".join(rng.choices(topic, k=20) + rng.choices(words, k=10))
    steps = " ".join(rng.choices(topic, k=rng.randint(100, 500)) + rng.choices(words, k=rng.randint(100, 500)))
    trace = f"{steps}. Answer: {number}"
    fault = rng.random()
    if fault < 0.10:
        trace = f"{steps}. Answer: {2 * number + 7}"
    elif fault < 0.13:
        trace = " ".join(rng.sample(topic, 10)) * 20 + f" Answer: {number}"
    elif fault < 0.15:
        trace = ""
    elif fault < 0.17:
        trace = "ответ " * 200 + f"Answer: {number}"
    elif fault < 0.20:
        trace = f"{steps} because"
    return {"id": str(number), "question": question, "rationale": trace, "answer": str(number)}


def made_signals(folder: Path, count: int) -> dict[str, Any]:
    """Write difficulty by id and float16 vectors around 60 topics; returns the settings that name them."""
    draw = np.random.default_rng(0)
    columns = {"question_id": list(map(str, range(count))), "difficulty": draw.random(count)}
    write_columns(folder / "scores.parquet", columns)
    topics = draw.normal(size=(TOPICS, WIDTH))
    vectors = topics[np.arange(count) % TOPICS] + 0.5 * draw.normal(size=(count, WIDTH))
    np.save(folder / "vectors.npy", vectors.astype(np.float16))
    return {"signals": folder / "scores.parquet", "embeddings": str(folder / "vectors.npy")}


def main() -> None:
    """Measure once and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer traces, under 50 seconds")
    parser.add_argument("--words", action="store_true", help="no signals and vectors that exist already")
    options = parser.parse_args()
    count, number = (4000, 200) if options.quick else (59_000, 1000)
    with tempfile.TemporaryDirectory() as folder:
        pool = Path(folder) / "pool.jsonl"
        made_pool(pool, count)
        known = {} if options.words else made_signals(Path(folder), count)
        started = time.perf_counter()
        with pool.open() as lines:
            words = sum(len(json.loads(line)["rationale"].split()) for line in lines)
        floor = time.perf_counter() - started
        started = time.perf_counter()
        with peak_memory() as peak:
            found = curate(Settings(pool, Path(folder) / "curated.jsonl", number, answer=["number"], **known))
        seconds = time.perf_counter() - started
        memory = peak()
    print(
        json.dumps(
            {
                "benchmark": "curation",
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
                "traces": count,
                "known": sorted(known),
                "words_each": round(words / count),
                "chosen": found["chosen"],
                "seconds": round(seconds, 1),
                "seconds_by_gate": {row["gate"]: row["seconds"] for row in found["funnel"]},
                "removed_by_gate": {row["gate"]: row["removed"] for row in found["funnel"]},
                "seconds_to_read_as_json": round(floor, 1),
                "peak_memory_gb": round(memory / 1e9, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
