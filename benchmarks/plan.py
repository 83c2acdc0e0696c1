"""How long ``bridge-distill plan`` takes, and how much memory, on a large pool of JSON lines and of Parquet.

A row is an id, a question of about 300 bytes, four choices and a letter. One question in twenty is not
ASCII, one row in a hundred repeats an earlier question in capitals, one in a thousand has no question.
The floor is a bare ``json.loads`` of every line in the same run.

    python benchmarks/plan.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

RUN = """
name: plan
data: {{train: {train}, test: test.jsonl, answer: choice}}
budget: {{queries: 5%, usd: 100}}
teacher: {{provider: openai, model: expert, prices: {{expert: {{input: 0.15, output: 0.60}}}}}}
"""
TESTS = 1000
GROUP = 10_000


def rows(count: int) -> Iterator[dict[str, Any]]:
    """``TESTS`` test questions, then ``count`` rows of training."""
    rng = Random(7)
    words = ["".join(rng.choices("etaoinshrdlcumwfgypbvk", k=rng.randint(2, 10))) for _ in range(4000)]
    plain = [_sentence(rng, words) for _ in range(20_000)]
    accented = [_sentence(rng, [*words[:40], "naïve", "Größe", "−3.5", "“quoted”"]) for _ in range(2000)]
    row: dict[str, Any] = {}
    for number in range(TESTS + count):
        text = " ".join([*rng.choices(plain, k=4), rng.choice(accented if number % 20 == 0 else plain)])
        asked: dict[str, Any] = {"question": text, "choices": [" ".join(rng.choices(words, k=2)) for _ in range(4)]}
        if number % 100 == 99:
            asked = {"question": row["question"].upper(), "choices": row["choices"]}
        if number % 1000 == 500:
            asked["question"] = None
        row = {"id": f"q{number:07d}", **asked, "answer": rng.choice("ABCD")}
        yield row


def _sentence(rng: Random, words: list[str]) -> str:
    drawn = rng.choices(words, k=8)
    return f"{' '.join(drawn[:5]).capitalize()}, {' '.join(drawn[5:])}{rng.choice(['.', '?', ' (see 5).'])}"


def write_pool(folder: Path, count: int) -> None:
    """The same rows as ``train.jsonl`` and ``train.parquet``, beside ``test.jsonl``."""
    drawn = rows(count)
    with (folder / "test.jsonl").open("w") as file:
        file.writelines(json.dumps(next(drawn), ensure_ascii=False) + "\n" for _ in range(TESTS))
    text = pa.string()
    schema = pa.schema([("id", text), ("question", text), ("choices", pa.list_(text)), ("answer", text)])
    with (folder / "train.jsonl").open("w") as file, pq.ParquetWriter(folder / "train.parquet", schema) as table:
        for start in range(0, count, GROUP):
            group = [next(drawn) for _ in range(min(GROUP, count - start))]
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in group)
            table.write_batch(pa.RecordBatch.from_pylist(group, schema=schema))


def plan(folder: Path, train: str, count: int) -> dict[str, Any]:
    """Wall and CPU seconds, and peak resident bytes, of one ``bridge-distill plan``."""
    (folder / "run.yaml").write_text(RUN.format(train=train))
    command = [sys.executable, "-m", "bridge_distill", "plan", str(folder / "run.yaml"), "--json"]
    started = time.perf_counter()
    with (folder / "plan.json").open("w") as told:
        process = subprocess.Popen(command, stdout=told)
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"plan ended with status {status}")
    found = json.loads((folder / "plan.json").read_text())
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "rows_a_second": round(count / seconds),
        "peak_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "pool": found["pool"],
        "rejected": found["rejected"],
    }


def floor(path: Path) -> float:
    """Seconds of reading every line and nothing else."""
    started = time.perf_counter()
    with path.open("rb") as file:
        for line in file:
            json.loads(line)
    return time.perf_counter() - started


def main() -> None:
    """Measure once and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, under 50 seconds")
    count = 20_000 if parser.parse_args().quick else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pool(folder, count)
        size = (folder / "train.jsonl").stat().st_size
        least = floor(folder / "train.jsonl")
        found = {kind: plan(folder, f"train.{kind}", count) for kind in ("jsonl", "parquet")}
    for each in found.values():
        each["times_floor"] = round(each["seconds"] / least, 2)
    measured = {"benchmark": "plan", "machine": f"{platform.machine()}, {os.cpu_count()} cores", "rows": count}
    print(json.dumps({**measured, "bytes": size, "floor_seconds": round(least, 2), **found}))


if __name__ == "__main__":
    main()
