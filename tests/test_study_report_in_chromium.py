"""The study's page as a reader has it: fits any screen, tables sort, figures download, hostile names are inert."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge_distill.report.study import write_study_report
from chromium import opened, saved
from studies import drawn, line, write_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHANCES = {("direct", "2%"): 0.5, ("bridge", "2%"): 0.8, ("direct", "10%"): 0.6, ("bridge", "10%"): 0.85}
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> \u202eright to left 🎓 =1+1"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study with two arms at two budgets, one of them with an assistant."""
    folder, lines = tmp_path_factory.mktemp("studies") / "frontier", drawn(["legal"], CHANCES, seeds=3, questions=80)
    for cell in lines:
        cell["others"] |= {"assistant": cell["right"]} if cell["arm"] == "bridge" else {}
    return write_study_report(write_study(folder, lines, "direct"))


@pytest.mark.parametrize("width", [390, 820, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_study_fits_any_screen_without_a_complaint(chromium: Browser, study: Path, width: int, scheme: str) -> None:
    with opened(chromium, study, viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
        assert page.locator(".plot").count() == 3
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_figure_keeps_its_height_when_the_window_changes(chromium: Browser, study: Path) -> None:
    heights = "figures => figures.map(figure => figure.clientHeight)"
    with opened(chromium, study, viewport={"width": 1440, "height": 900}) as page:
        figures = page.locator(".plot svg.main-svg:first-child")
        before = figures.evaluate_all(heights)
        page.set_viewport_size({"width": 700, "height": 500})
        figures.evaluate_all(
            "figures => new Promise(done => { const look = () =>"
            " figures.every(figure => figure.clientWidth < 700) ? done() : requestAnimationFrame(look); look(); })"
        )
        assert len(before) == 3
        assert figures.evaluate_all(heights) == before


def test_tables_sort_by_a_column_and_say_so(chromium: Browser, study: Path) -> None:
    with opened(chromium, study) as page:
        table = page.get_by_role("region", name="legal: every comparison in numbers")
        head = table.get_by_role("columnheader").nth(3)

        def shown() -> list[float]:
            return [float(text.split("%")[0]) for text in table.locator("tbody tr > :nth-child(4)").all_inner_texts()]

        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert len(shown()) == 4
        assert shown() == sorted(shown())
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        assert shown() == sorted(shown(), reverse=True)


def test_every_figure_downloads_as_png_and_as_csv(chromium: Browser, study: Path, tmp_path: Path) -> None:
    with opened(chromium, study) as page:
        for name, rows in {"frontier-0": 5, "money-0": 5, "forest-0": 3}.items():
            buttons = page.locator(f"#plot-{name} + .downloads button")
            png, table = (saved(page, buttons.nth(place), tmp_path) for place in (0, 1))
            assert (png.name, table.name) == (f"{name}.png", f"{name}.csv")
            assert png.read_bytes().startswith(b"\x89PNG")
            found = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
            assert found[0] == ["series", "x", "y", "low", "high", "label"]
            assert len(found) == rows
    assert [row[2] for row in found[1:]] == ["bridge, 2%", "bridge, 10%"]
    assert all(float(row[3]) < float(row[1]) < float(row[4]) for row in found[1:])


def test_hostile_names_are_inert_and_legible(chromium: Browser, tmp_path: Path) -> None:
    lines = [line(HOSTILE, arm, "5%", seed, [1, 0, seed % 2] * 9) for arm in ("direct", HOSTILE) for seed in range(2)]
    with opened(chromium, write_study_report(write_study(tmp_path / "s", lines, "direct"))) as page:
        assert page.evaluate("window.hacked") is None
        assert page.locator("img").count() == 0
        assert "onerror='window.hacked = 1'" in page.locator("body").inner_text()


def test_the_controls_are_reached_by_keyboard_and_have_names(chromium: Browser, study: Path) -> None:
    with opened(chromium, study) as page:
        buttons = page.get_by_role("button")
        names = buttons.evaluate_all("all => all.map(one => one.ariaLabel || one.textContent.trim())")
        assert names
        assert all(names)
        head = page.get_by_role("columnheader").first
        head.get_by_role("button").focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
