"""How long `bridge` takes to choose 1% of a pool, with its graph, and what that is against other libraries.

Sizes run one after the other, each in a process of its own that reads float16 embeddings from a memory map, so
that seconds and memory are those of one choice from file to row numbers. Peers choose 1,000 of 20,000 of the same
rows by facility location on the same similarity; every choice is then worth what the exact objective says.

    python benchmarks/selection.py [--quick] [--part sizes|peers|graph]... [--peer PYTHON]...

``--peer`` is the interpreter of an environment that holds submodlib-py, apricot-select (with scikit-learn) or
faiss-cpu, any of them; the last one is asked for the graph of neighbours alone. A peer that fails, or is in no
environment, stands in the result with its error.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import platform
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

METHOD = "bridge"
WIDTH, LATENT = 384, 24
PLAIN = {"difficulty_weight": 0.0, "discount_hardest": 0.0}
LIMIT = 300
PARTS = ("sizes", "peers", "graph")

PEER = """
import json, sys, time
import numpy as np
name, file, count, k = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
rows = np.load(file)

def dense():
    similarity = rows @ rows.T
    return np.maximum(similarity, 0, out=similarity)

def sparse():
    from sklearn.neighbors import NearestNeighbors
    distance = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(rows).kneighbors_graph(
        rows, mode="distance")
    distance.data = np.clip(1 - distance.data, 0, 1)
    return distance

def submodlib(how):
    from submodlib import FacilityLocationFunction
    if how == "dense":
        found = FacilityLocationFunction(n=len(rows), mode="dense", separate_rep=False, sijs=dense())
    else:
        found = FacilityLocationFunction(n=len(rows), mode="sparse", sijs=sparse(), num_neighbors=k)
    return [row for row, _ in found.maximize(budget=count, optimizer="LazyGreedy", show_progress=False)]

def apricot(how):
    from apricot import FacilityLocationSelection
    FacilityLocationSelection(2, metric="precomputed", optimizer="lazy").fit(np.eye(4))  # compiles
    started = time.perf_counter()
    similarity = dense().astype(np.float64) if how == "dense" else sparse()
    found = FacilityLocationSelection(count, metric="precomputed", optimizer="lazy").fit(similarity)
    return [int(row) for row in found.ranking], started

def faiss(how):
    import faiss
    lists = len(rows) // 256
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(rows.shape[1]), rows.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid, index.nprobe = 64, 4
    index.train(rows)
    index.add(rows)
    return index.search(rows, k)[1].tolist()

library, how = name.split()
started = time.perf_counter()
found = {"submodlib": submodlib, "apricot": apricot, "faiss": faiss}[library](how)
if isinstance(found, tuple):
    found, started = found
print(json.dumps([time.perf_counter() - started, found]))
"""


def write_pool(file: Path, n: int, seed: int = 0) -> None:
    """Clusters of 24 latent dimensions in 384, with some noise in all: float16, block by block."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(max(50, n // 200), LATENT)).astype(np.float32)
    axes = (draw.normal(size=(LATENT, WIDTH)) / math.sqrt(LATENT)).astype(np.float32)
    out = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=(n, WIDTH))
    for start in range(0, n, 10_000):
        size = min(10_000, n - start)
        inside = centres[draw.integers(0, len(centres), size)] + 0.5 * draw.standard_normal((size, LATENT), np.float32)
        out[start : start + size] = inside @ axes + 0.15 * draw.standard_normal((size, WIDTH), np.float32)
    out.flush()


def choose(embeddings: Any, difficulty: Any, count: int, options: dict[str, float] | None = None) -> NDArray[np.int64]:
    """The choice that is measured: by ``METHOD``, whatever the library's default is."""
    import bridge_distill

    return bridge_distill.select(embeddings, difficulty, count, METHOD, options=options)


def _measure(file: Path, count: int, tell: Connection) -> None:
    """One choice in a process of its own."""
    embeddings = np.load(file, mmap_mode="r")
    difficulty = np.random.default_rng(1).random(len(embeddings))
    choose(np.array(embeddings[:500]), difficulty[:500], 5)  # imports and first calls
    started = time.perf_counter()
    chosen = choose(embeddings, difficulty, count)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if platform.system() == "Darwin" else 1e6)
    tell.send({"rows": len(embeddings), "chosen": len(chosen), "seconds": round(seconds, 2), "gb": round(peak, 2)})


def in_a_process(work: Callable[..., None], *arguments: object) -> Any:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(*arguments, there), daemon=True)
    process.start()
    there.close()
    answer = here.recv()
    process.join()
    return answer


def measure_sizes(folder: Path, sizes: list[int]) -> list[dict[str, float]]:
    found = []
    for n in sizes:
        write_pool(folder / "pool.npy", n)
        found.append(in_a_process(_measure, folder / "pool.npy", n // 100))
        print(f"{METHOD}  {n:9,} rows  {found[-1]['seconds']:7.1f} s  {found[-1]['gb']:5.2f} GB", flush=True)
    return found


def worth(rows: NDArray[np.float32], chosen: list[int]) -> float:
    """The exact facility location objective, a mean over all rows."""
    best = [np.maximum((rows[at : at + 2000] @ rows[chosen].T).max(axis=1), 0) for at in range(0, len(rows), 2000)]
    return float(np.concatenate(best).mean())


def compare(folder: Path, peers: list[str], n: int, count: int) -> dict[str, dict[str, Any]]:
    """Seconds and worth of each library's choice, and how many times as long as ours it took; or its error."""
    import bridge_distill
    from bridge_distill.selection.vectors import Directions

    write_pool(folder / "few.npy", n, seed=1)
    rows = Directions(np.load(folder / "few.npy")).all()
    np.save(folder / "few.npy", rows)
    choose(rows[:500], None, 5, PLAIN)  # imports and first calls
    started = time.perf_counter()
    chosen = choose(rows, None, count, PLAIN).tolist()
    found: dict[str, dict[str, Any]] = {METHOD: {"seconds": time.perf_counter() - started}}
    found[METHOD]["worth"] = best = worth(rows, chosen)
    found["random"] = {"worth": worth(rows, bridge_distill.select(rows, None, count, "random").tolist())}
    show(METHOD, found[METHOD])
    for name in ("submodlib dense", "submodlib sparse", "apricot dense", "apricot sparse"):
        answer = ask(peers, name, folder / "few.npy", count)
        if isinstance(answer, str):
            found[name] = {"error": answer}
        else:
            seconds, times = answer[0], answer[0] / found[METHOD]["seconds"]
            found[name] = {"seconds": seconds, "times_ours": times, "worth": worth(rows, answer[1])}
        show(name, found[name])
    for result in found.values():
        if "worth" in result:
            result["of_ours"] = result["worth"] / best
    return found


def show(name: str, result: dict[str, Any]) -> None:
    said = [f"{key} {value:.4g}" if isinstance(value, float) else f"{key}: {value}" for key, value in result.items()]
    print(f"{name:17}", "  ".join(said), flush=True)


def ask(peers: list[str], name: str, file: Path, count: int) -> list[Any] | str:
    """What a library answers in the first environment that holds it, or the first line of why there is no answer."""
    module = name.split()[0]
    holding = [python for python in peers if _runs(python, f"import {module}")]
    if not holding:
        return f"no --peer holds {module}"
    command = [holding[0], "-W", "ignore", "-c", PEER, name, str(file), str(count), "32"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT} s"
    if said.returncode:
        lines = said.stderr.strip().splitlines() or [f"ended with {said.returncode}"]
        return next((line for line in reversed(lines) if re.match(r"[\w.]+(Error|Exception)\b", line)), lines[-1])
    answer: list[Any] = json.loads(said.stdout.splitlines()[-1])
    return answer


def _runs(python: str, code: str) -> bool:
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def compare_graphs(folder: Path, peers: list[str], n: int) -> dict[str, dict[str, Any]]:
    """Seconds and recall of the neighbour graph, ours and faiss's inverted file with as many and as large lists."""
    from bridge_distill.selection.neighbours import Search
    from bridge_distill.selection.parallel import usable_threads
    from bridge_distill.selection.vectors import Directions

    write_pool(folder / "graph.npy", n)
    rows = Directions(np.load(folder / "graph.npy")).all()
    np.save(folder / "graph.npy", rows)
    asked = np.sort(np.random.default_rng(2).choice(n, 500, replace=False))
    true = np.argpartition(-(rows[asked] @ rows.T), 32, axis=1)[:, :32]

    def recall(near: Any) -> float:
        return float(np.mean([len(set(near[row]) & set(best)) / 32 for row, best in zip(asked, true, strict=True)]))

    Search(32, 4, 0, usable_threads()).graph(Directions(rows[:500]))  # imports and first calls
    started = time.perf_counter()
    near = Search(32, 4, 0, usable_threads()).graph(Directions(rows)).near
    found: dict[str, dict[str, Any]] = {"ours": {"seconds": time.perf_counter() - started, "recall": recall(near)}}
    answer = ask(peers, "faiss ivf", folder / "graph.npy", 0)
    found["faiss"] = (
        {"error": answer} if isinstance(answer, str) else {"seconds": answer[0], "recall": recall(answer[1])}
    )
    for name, result in found.items():
        show(f"graph by {name}", result)
    return found


def rounded(found: Any) -> Any:
    """Figures with as many digits as mean anything."""
    if isinstance(found, dict):
        return {key: rounded(value) for key, value in found.items()}
    return round(found, 4) if isinstance(found, float) else found


def main() -> None:
    """Measure, print a table, and one line of JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10,000 and 30,000 rows, peers on 3,000")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part (all where left out)")
    parser.add_argument("--peer", metavar="PYTHON", action="append", default=[], help="interpreter with a peer library")
    options = parser.parse_args()
    sizes = [10_000, 30_000] if options.quick else [10_000, 100_000, 1_000_000]
    few, count = (3000, 150) if options.quick else (20_000, 1000)
    parts = options.part or PARTS
    figures: dict[str, Any] = {"benchmark": "selection", "method": METHOD, "machine": machine(), "width": WIDTH}
    # Not in /tmp, which may be memory: a pool that is mapped from there would not be read from a disk.
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        if "sizes" in parts:
            found = figures["sizes"] = measure_sizes(Path(folder), sizes)
            times = found[-1]["seconds"] / found[-2]["seconds"]
            figures["growth_exponent"] = math.log(times) / math.log(sizes[-1] / sizes[-2])
        if "peers" in parts:
            libraries = compare(Path(folder), options.peer, few, count)
            figures["facility_location"] = {"rows": few, "chosen": count, **libraries}
        if "graph" in parts:
            graphs = compare_graphs(Path(folder), options.peer, sizes[1])
            figures["graph"] = {"rows": sizes[1], **graphs}
    print(json.dumps(rounded(figures)))


def machine() -> str:
    from bridge_distill.selection.parallel import usable_threads

    cores = f"{os.cpu_count()} cores, {usable_threads()} used"
    return f"{platform.machine()}, {cores}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
