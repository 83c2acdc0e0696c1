"""How many requests a second leave: ours with its durable ledger, against the bare SDK and bare HTTP.

All ask the same questions of one loopback server in a process of its own, 64 at a time, once with
50 ms of latency and once with none, where the ledger's own cost shows. Ours reserves and settles every
request durably on disk and keeps its reply. Rounds alternate, and the median is reported.

    python benchmarks/teacher.py [--quick] [--peer PYTHON]

``--peer`` is the interpreter of an environment that holds distilabel, which then asks the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import tempfile
import textwrap
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from bridge_distill.config import Price, Teacher
from bridge_distill.records import Question
from bridge_distill.teacher.budget import Limits, Payer
from bridge_distill.teacher.buying import Buyer
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.desk import Desk
from bridge_distill.teacher.jobs import jobs_of
from bridge_distill.teacher.ledger import Ledger, Terms
from bridge_distill.teacher.loopback import serve
from bridge_distill.teacher.prices import Tariff
from bridge_distill.teacher.providers import Answer, Request, providers
from bridge_distill.teacher.store import ReplyStore

CONCURRENCY = 64
KEY = "benchmark-key"
REPLY = "word " * 60 + "\nAnswer: yes"
Asker = Callable[[str, list[list[dict[str, str]]]], float]

PEER = """
import json, sys, time
url, count, concurrency = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
from distilabel.models import OpenAILLM
llm = OpenAILLM(model="m", base_url=url, api_key="benchmark-key", max_retries=0,
                generation_kwargs={"max_new_tokens": 256, "temperature": 0})
llm.load()
chats = json.load(sys.stdin)
started = time.perf_counter()
for start in range(0, count, concurrency):
    llm.generate(inputs=chats[start : start + concurrency], max_new_tokens=256, temperature=0)
print(time.perf_counter() - started)
"""


def chats(count: int) -> list[list[dict[str, str]]]:
    """Prompts of about 600 bytes, as a real run sends them."""
    provider = providers.get("openai", "benchmark")(_teacher("http://127.0.0.1:1/v1"), [])
    return [job.request.messages for job in jobs_of(_teacher("http://127.0.0.1:1/v1"), provider, _questions(count))]


def ours(url: str, asked: list[list[dict[str, str]]], memory: list[int] | None = None) -> float:
    """Seconds of buying every reply, books and replies on disk included."""
    teacher = _teacher(url)
    provider = providers.get("openai", "benchmark")(teacher, [])
    jobs = jobs_of(teacher, provider, _questions(len(asked)))
    price = Price(input="0.15", output="0.6")  # type: ignore[arg-type]
    terms = Terms(Payer("benchmark"), Tariff("m", price, "benchmark"), Limits())
    bought_so_far = 0

    def tick(done: int = 1) -> None:
        nonlocal bought_so_far
        bought_so_far += done
        if memory is not None and bought_so_far % (len(jobs) // 10) == 0:
            memory.append(psutil.Process().memory_info().rss)

    async def buy(database: Database) -> float:
        await provider.open()
        with Desk(database) as desk:
            started = time.perf_counter()
            bought = await Buyer(provider, desk, Ledger(database), ReplyStore(database), terms, teacher).buy(jobs, tick)
            seconds = time.perf_counter() - started
        await provider.close()
        assert bought.stopped is None
        assert not bought.failed
        return seconds

    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, Database(Path(folder) / "store.sqlite") as database:
        return asyncio.run(buy(database))


def sdk(url: str, asked: list[list[dict[str, str]]]) -> float:
    """Seconds of the official client alone, as its documentation shows it."""
    import openai

    async def ask() -> float:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0) as client:

            async def one(chat: list[dict[str, str]]) -> None:
                reply = await client.chat.completions.create(
                    model="m",
                    messages=chat,  # type: ignore[arg-type]
                    max_tokens=256,
                    temperature=0,
                )
                assert reply.choices[0].message.content

            return await _many(one, asked)

    return asyncio.run(ask())


def http(url: str, asked: list[list[dict[str, str]]]) -> float:
    """Seconds of httpx2 alone."""
    import httpx2

    limits = httpx2.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)

    async def ask() -> float:
        async with httpx2.AsyncClient(limits=limits, headers={"Authorization": f"Bearer {KEY}"}) as client:

            async def one(chat: list[dict[str, str]]) -> None:
                body = {"model": "m", "messages": chat, "max_tokens": 256, "temperature": 0}
                reply = await client.post(f"{url}/chat/completions", json=body)
                assert reply.json()["choices"]

            return await _many(one, asked)

    return asyncio.run(ask())


async def _many(one: Callable[..., object], asked: list[list[dict[str, str]]]) -> float:
    waiting = iter(asked)

    async def work() -> None:
        for chat in waiting:
            await one(chat)  # type: ignore[misc]

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
    return time.perf_counter() - started


def peer(python: str) -> Asker:
    """Seconds of distilabel's OpenAI client in an environment of its own, 64 questions at a time."""

    def ask(url: str, asked: list[list[dict[str, str]]]) -> float:
        command = [python, "-c", textwrap.dedent(PEER), url, str(len(asked)), str(CONCURRENCY)]
        found = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
        return float(found.stdout.splitlines()[-1])

    return ask


def _questions(count: int) -> list[Question]:
    return [Question(f"q{n}", f"Is {n} even? " + "Consider this. " * 20, "yes_no", answer="yes") for n in range(count)]


def _teacher(url: str) -> Teacher:
    os.environ["BENCHMARK_KEY"] = KEY
    return Teacher(model="m", base_url=url, key_env="BENCHMARK_KEY", concurrency=CONCURRENCY)


def _serve(latency: float, tell: Connection) -> None:
    def answer(request: Request) -> Answer:
        return Answer(REPLY, "stop", 150, 70)

    with serve(answer, key=KEY, latency=latency) as server:
        tell.send(server.base_url)
        tell.recv()


def measure(latency: float, count: int, rounds: int, askers: dict[str, Asker]) -> dict[str, float]:
    """Requests a second of each asker, the median of the rounds, against one server."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(latency, there), daemon=True)
    server.start()
    url, asked = here.recv(), chats(count)
    rates: dict[str, list[float]] = {name: [] for name in askers}
    for _ in range(rounds):
        for name, ask in askers.items():
            rates[name].append(count / ask(url, asked))
            print(f"{latency * 1000:4.0f} ms  {name:10} {rates[name][-1]:7.0f} requests/s", flush=True)
    here.send(None)
    server.join(10)
    return {name: statistics.median(found) for name, found in rates.items()}


def main() -> None:
    """Measure, print a table, and one line of JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests, one round")
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter of an environment with distilabel")
    options = parser.parse_args()
    count, rounds = (300, 1) if options.quick else (2000, 3)
    askers: dict[str, Asker] = {"sdk": sdk, "ours": ours, "http": http}
    if options.peer:
        askers["distilabel"] = peer(options.peer)
    found = {f"{ms} ms": measure(ms / 1000, count, rounds, askers) for ms in (50, 0)}
    memory: list[int] = []
    context_free = measure(0.0, 5 * count, 1, {"ours": lambda url, asked: ours(url, asked, memory)})
    figures = {
        "requests": count,
        "concurrency": CONCURRENCY,
        "rounds": rounds,
        "requests_per_second": {
            place: {name: round(rate, 1) for name, rate in rates.items()} for place, rates in found.items()
        },
        "ours_over_sdk": {place: round(rates["ours"] / rates["sdk"], 3) for place, rates in found.items()},
        "ours_over_http": {place: round(rates["ours"] / rates["http"], 3) for place, rates in found.items()},
        "resident_mb": {
            "requests": 5 * count,
            "at_a_tenth": round(memory[0] / 1e6, 1),
            "at_the_end": round(memory[-1] / 1e6, 1),
            "rate": round(context_free["ours"], 1),
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
