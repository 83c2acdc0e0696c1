"""The pages in a real browser: no complaint in the console, figures drawn, tables sort, figures download."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge_distill.report import write_report
from bridge_distill.report.study import write_study_report
from browser import Tab, browser, needs_chromium
from studies import drawn, line, write_study
from test_report import build_run

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
    for name in ("frontier-0", "money-0", "forest-0"):
        png, table = (
            tab.download(tmp_path, f"document.querySelector('#plot-{name} + .downloads').children[{place}].click()")
            for place in (0, 1)
        )
        assert (png.name, table.name) == (f"{name}.png", f"{name}.csv")
        assert png.read_bytes().startswith(b"\x89PNG")
        rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
        assert rows[0] == ["series", "x", "y", "low", "high", "label"]
        assert len(rows) == (3 if name == "forest-0" else 5)
    assert [row[2] for row in rows[1:]] == ["bridge, 2%", "bridge, 10%"]
    assert all(float(row[3]) < float(row[1]) < float(row[4]) for row in rows[1:])
    assert tab.errors == []


def test_a_run_with_hostile_texts_opens_without_a_complaint(tab: Tab, tmp_path: Path) -> None:
    tab.errors.clear()
    tab.open(write_report(build_run(tmp_path)), 390)
    assert tab.run("[...document.querySelectorAll('.plot')].every((place) => place.querySelector('svg.main-svg'))")
    assert tab.run("document.documentElement.scrollWidth") <= 390
    assert tab.errors == []
    saved = tab.download(tmp_path, "document.querySelector('#plot-coverage + .downloads').children[1].click()")
    rows = list(csv.reader(saved.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 401
    assert all(len(row) == 6 for row in rows)


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
