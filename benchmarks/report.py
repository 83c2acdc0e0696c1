"""How long a report of many test questions takes to be written, to open in Chromium and to be searched.

Questions and replies are as long as those of the practice tasks; four models have answered each question. The floor is
the same page with ten questions, which has all of its scripts to read as well. Needs playwright (the ``dev`` extra) and
an installed Chromium.

    python benchmarks/report.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.engine.rows import write_rows
from bridge_distill.records import Question, Verdict
from bridge_distill.report import write_report

STAGES = {name: f"evaluate/{name}" for name in ("base", "assistant", "student")}
ARM = "arms/direct/evaluate/student"
FOUND = "document.getElementById('browser-found').textContent"
# The page's own scripts have run by then, so its texts, tables and question browser can be used.
USABLE = "performance.getEntriesByType('navigation')[0].domInteractive"
TURNS = 3


def made_run(folder: Path, count: int) -> Path:
    """Write the folder of a run that has tested four models on ``count`` questions."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(4000)]
    stages = {"data": "data", **{place: place for place in STAGES.values()}}
    facts = {"name": "large", "stages": stages, "arms": {"direct": {"data": "data", "evaluate/student": ARM}}}
    for place in ("data", *STAGES.values(), ARM):
        (folder / place).mkdir(parents=True)
        (folder / place / "record.json").write_text(json.dumps({"stage": place, "figures": {}}))
    (folder / "run.json").write_text(json.dumps(facts))
    asked = [Question(f"q-{i}", " ".join(rng.choices(words, k=45)), "yes_no", answer="yes") for i in range(count)]
    write_rows(folder / "data" / artifacts.TEST, Question, asked)
    for name, place in {**STAGES, "direct": ARM}.items():
        verdicts = [_verdict(rng, words, name, question) for question in asked]
        write_rows(folder / place / artifacts.VERDICTS, Verdict, verdicts)
    return folder


def _verdict(rng: random.Random, words: list[str], model: str, question: Question) -> Verdict:
    right = rng.random() < 0.7
    answer = "yes" if right else "no"
    text = " ".join(rng.choices(words, k=50)) + f"\nAnswer: {answer}"
    return Verdict(question.id, model, text, answer, right, True, False, 60)


def opened(chromium: Any, page: Path, word: str) -> dict[str, float]:
    """Seconds until figures are drawn and, before, the page is usable; to turn its questions; to search all texts."""
    tab = chromium.new_page()
    tab.set_default_timeout(300_000)
    started = time.perf_counter()
    tab.goto(page.as_uri(), wait_until="domcontentloaded")
    tab.wait_for_selector("#plot-accuracy .main-svg")
    assert tab.evaluate(FOUND), "the question browser lists nothing"
    took = {"drawn": time.perf_counter() - started, "open": tab.evaluate(USABLE) / 1000}
    took["turn"] = tab.evaluate(_timed("document.getElementById('browser-next').click()")) / 1000
    search = f"const box = document.getElementById('browser-words'); box.value = '{word}'"
    show = "document.getElementById('browser-show').dispatchEvent(new Event('change'))"
    took["search"] = tab.evaluate(_timed(f"{search}; {show}")) / 1000
    tab.close()
    return took


def _timed(script: str) -> str:
    """A function that does something and returns its milliseconds, layout included."""
    return (
        f"() => {{ const t = performance.now(); {script}; document.body.offsetHeight; return performance.now() - t; }}"
    )


def measure(count: int) -> dict[str, Any]:
    """Medians over three turns, the large page and the small one by turns."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        run = made_run(Path(folder) / "large", count)
        started = time.perf_counter()
        large = write_report(run)
        written = time.perf_counter() - started
        small = write_report(made_run(Path(folder) / "small", 10))
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"))
        turns = [(opened(chromium, large, "nowhere"), opened(chromium, small, "nowhere")) for _ in range(TURNS)]
        version = chromium.version
        chromium.close()
        found = {
            f"seconds_to_{name}": round(statistics.median(one[name] for one, _ in turns), 3) for name in turns[0][0]
        }
        floor = round(statistics.median(one["open"] for _, one in turns), 3)
        size = round(large.stat().st_size / 1e6, 1)
    return {"chromium": version, "megabytes": size, "seconds_to_write": round(written, 1), **found, "floor": floor}


def main() -> None:
    """Measure once and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer questions, under 50 seconds")
    count = 4_000 if parser.parse_args().quick else 20_000
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"benchmark": "report", "machine": machine, "questions": count, **measure(count)}))


if __name__ == "__main__":
    main()
