"""The pages in a real browser: no complaint in the console, figures drawn, tables sort, figures download."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Tab, browser, needs_chromium
from studies import drawn, line, write_study

from bridge_distill.report.study import write_study_report

pytestmark = needs_chromium
CHANCES = {("direct", "2%"): 0.5, ("bridge", "2%"): 0.8, ("direct", "10%"): 0.6, ("bridge", "10%"): 0.85}
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> \u202eright to left 🎓 =1+1"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "frontier"
    return write_study_report(write_study(folder, drawn(["legal"], CHANCES, seeds=3, questions=80), "direct"))


@pytest.mark.parametrize("width", [390, 820, 1440])
@pytest.mark.parametrize("dark", [False, True])
def test_a_study_fits_any_screen_without_a_complaint(tab: Tab, page: Path, width: int, dark: bool) -> None:
    tab.errors.clear()
    tab.open(page, width, dark)
    assert tab.run("[...document.querySelectorAll('.plot')].every((place) => place.querySelector('svg.main-svg'))")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.errors == []


def test_a_figure_keeps_its_height_when_the_window_changes(tab: Tab, page: Path) -> None:
    tab.open(page, 1200)
    heights = "[...document.querySelectorAll('.plot')].map((place) => place.querySelector('svg').clientHeight)"
    before = tab.run(heights)
    tab.send("Emulation.setDeviceMetricsOverride", width=700, height=500, deviceScaleFactor=1, mobile=False)
    tab.run("new Promise((done) => setTimeout(() => requestAnimationFrame(done), 600))")
    assert tab.run(heights) == before


def test_tables_sort_by_a_column_and_say_so(tab: Tab, page: Path) -> None:
    tab.open(page)
    table = "document.querySelector('table.wide')"
    shown = f"[...{table}.tBodies[0].rows].map((row) => parseFloat(row.cells[3].textContent))"
    head = f"{table}.tHead.rows[0].cells[3]"
    tab.run(f"{head}.querySelector('button').click()")
    assert tab.run(f"{head}.getAttribute('aria-sort')") == "ascending"
    assert tab.run(shown) == sorted(tab.run(shown))
    tab.run(f"{head}.querySelector('button').click()")
    assert tab.run(f"{head}.getAttribute('aria-sort')") == "descending"
    assert tab.run(shown) == sorted(tab.run(shown), reverse=True)


def test_every_figure_downloads_as_png_and_as_csv(tab: Tab, page: Path, tmp_path: Path) -> None:
    tab.open(page)
    tab.errors.clear()
    # What would be saved is read from the link that is clicked, before the browser's own dialogue.
    tab.run(
        "window.saved = []; HTMLAnchorElement.prototype.click = function () {"
        " const [name, href] = [this.download, this.href];"
        " saved.push(fetch === null ? null : { name, href, blob: blobs.at(-1) }); };"
        " window.blobs = []; const make = URL.createObjectURL;"
        " URL.createObjectURL = (blob) => { blobs.push(blob); return make(blob); }"
    )
    figures = tab.run("document.querySelectorAll('.plot').length")
    assert figures == 3
    tab.run("document.querySelectorAll('.downloads button:nth-child(2)').forEach((one) => one.click())")
    assert tab.run("saved.map((one) => one.name)") == ["frontier-0.csv", "money-0.csv", "forest-0.csv"]
    rows = list(csv.reader(tab.run("saved[2].blob.text()").splitlines()))
    assert rows[0] == ["series", "x", "y", "low", "high", "label"]
    assert [row[2] for row in rows[1:]] == ["bridge, 2%", "bridge, 10%"]
    assert all(float(row[3]) < float(row[1]) < float(row[4]) for row in rows[1:])
    tab.run("document.querySelector('.downloads button').click()")
    waited = "new Promise((done) => { const look = () => saved.length > 3 ? done(saved[3].name) : setTimeout(look, 20); look(); })"
    assert tab.run(waited) == "frontier-0.png"
    assert tab.errors == []


def test_hostile_names_are_inert_and_legible(tab: Tab, tmp_path: Path) -> None:
    lines = [line(HOSTILE, arm, "5%", seed, [1, 0, seed % 2] * 9) for arm in ("direct", HOSTILE) for seed in range(2)]
    tab.errors.clear()
    tab.open(write_study_report(write_study(tmp_path / "s", lines, "direct")))
    assert tab.run("window.hacked") is None
    assert tab.errors == []
    assert "onerror='window.hacked = 1'" in tab.run("document.body.innerText")


def test_the_controls_are_reached_by_keyboard_and_have_names(tab: Tab, page: Path) -> None:
    tab.open(page)
    names = "[...document.querySelectorAll('button')].map((one) => one.ariaLabel || one.textContent.trim())"
    assert all(tab.run(names))
    tab.run("document.querySelector('th button').focus()")
    for kind in ("keyDown", "keyUp"):
        tab.send("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    assert tab.run("document.querySelector('th').getAttribute('aria-sort')") == "ascending"
