"""The run's report as a reader has it: opened from its file in headless Chromium, without a network."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from answered import HOSTILE, answered_run, is_readable, is_right
from bridge_distill.report import write_report
from chromium import MILLISECONDS, opened, saved
from test_report import build_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COUNT = 60


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 60 questions with hostile texts, four models and three domains."""
    return write_report(answered_run(tmp_path_factory.mktemp("runs"), COUNT))


def found(page: Page) -> int:
    """How many questions the browser says it has found."""
    told = re.match(r"([\d,]+) of", page.get_by_role("status").inner_text())
    assert told is not None
    return int(told[1].replace(",", ""))


def expect_status(page: Page, pattern: str) -> None:
    from playwright.sync_api import expect

    expect(page.get_by_role("status")).to_contain_text(re.compile(pattern), timeout=MILLISECONDS)


def counted(passes: Callable[[int], bool]) -> int:
    return sum(passes(index) for index in range(COUNT))


def test_a_whole_run_opens_from_its_file_with_all_figures(chromium: Browser, tmp_path: Path) -> None:
    size = {"width": 390, "height": 844}
    with opened(chromium, write_report(build_run(tmp_path)), viewport=size) as page:
        plots = page.locator(".plot")
        assert plots.count() >= 5
        assert plots.locator("svg.main-svg").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        table = saved(page, page.locator("#plot-coverage + .downloads button").nth(1), tmp_path)
    rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 401
    assert all(len(row) == 6 for row in rows)


def test_a_table_is_sorted_by_a_click_on_a_head(chromium: Browser, report: Path) -> None:
    with opened(chromium, report) as page:
        table = page.get_by_role("region", name="Accuracy in numbers")
        shares = table.locator("tbody td:nth-child(3)")
        table.get_by_role("button", name="Accuracy").click()
        first = [float(text.removesuffix("%")) for text in shares.all_inner_texts()]
        table.get_by_role("button", name="Accuracy").press("Enter")
        second = [float(text.removesuffix("%")) for text in shares.all_inner_texts()]
        assert len(first) == 4
        assert first in (sorted(first), sorted(first, reverse=True))
        assert second == first[::-1]


def test_filters_show_what_their_names_say(chromium: Browser, report: Path) -> None:
    expected: dict[str, Callable[[int], bool]] = {
        "all": lambda i: True,
        "wrong": lambda i: not is_right("student", i),
        "right": lambda i: is_right("student", i),
        "unreadable": lambda i: not is_right("student", i) and not is_readable(i),
        "changed": lambda i: is_right("student", i) != is_right("direct", i),
        "won": lambda i: is_right("student", i) and not is_right("direct", i),
        "lost": lambda i: is_right("direct", i) and not is_right("student", i),
    }
    with opened(chromium, report) as page:
        show = page.get_by_role("combobox", name="Show")
        for value, passes in expected.items():
            show.select_option(value)
            assert found(page) == counted(passes), value
        show.select_option("changed")
        page.get_by_role("combobox", name="The other").select_option(label="Untuned base")
        assert found(page) == counted(lambda i: is_right("student", i) != is_right("base", i))
        page.get_by_role("combobox", name="Domain").select_option(label="torts")
        assert found(page) == counted(lambda i: is_right("student", i) != is_right("base", i) and i % 3 == 1)


def test_search_finds_words_in_any_text_and_case(chromium: Browser, report: Path) -> None:
    with opened(chromium, report) as page:
        search = page.get_by_role("searchbox", name="Search")
        for words, number in {"CASE 17:": 1, "court 17": 1, "says student": COUNT - 5, "(.*": 0, "🧑‍⚖️": 1}.items():
            search.fill(words)
            expect_status(page, f"^{number} of")
        assert page.locator("article").count() == 1


def test_pages_turn_by_keyboard_and_are_announced(chromium: Browser, report: Path) -> None:
    with opened(chromium, report) as page:
        first = page.locator("article h3").first
        assert first.inner_text() == "Question 1 q-0"
        assert page.get_by_role("button", name="Previous").is_disabled()
        page.get_by_role("button", name="Next").press("Enter")
        assert first.inner_text() == "Question 11 q-10"
        assert page.get_by_role("status").inner_text() == "60 of 60 questions; 11 to 20 are shown."
        assert page.evaluate("document.activeElement.id") == "browser-found"
        page.get_by_role("spinbutton", name="Page").fill("99")
        page.get_by_role("spinbutton", name="Page").press("Enter")
        assert first.inner_text() == "Question 51 q-50"
        assert page.get_by_role("button", name="Next").is_disabled()


def test_hostile_text_is_inert_and_legible(chromium: Browser, report: Path) -> None:
    with opened(chromium, report, viewport={"width": 390, "height": 844}) as page:
        assert page.locator("img, iframe, b").count() == 0
        articles = page.locator("article")
        assert articles.nth(0).locator(".said").first.inner_text() == HOSTILE
        assert articles.nth(4).locator(".question").inner_text() == "a < b && c > d {{ 7 * 7 }} <b>bold</b>"
        line = articles.nth(1).locator(".said").first
        assert "980,000 characters more" in line.inner_text()
        assert line.evaluate("box => box.scrollWidth <= box.clientWidth"), "a line of a million signs is broken"
        assert line.get_attribute("tabindex") == "0", "a box that scrolls can be reached by keyboard"
        assert line.get_attribute("aria-label")
        assert articles.nth(2).locator(".said").first.evaluate("box => getComputedStyle(box).direction") == "rtl"
        assert articles.nth(2).locator("h4").first.inner_text() == "Untuned base"
        assert "👩🏽‍🔬" in articles.nth(3).locator(".question").inner_text()


CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (colour) => {
    const [r, g, b] = colour.map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return rgb(colour);
    }
    return [255, 255, 255];
  };
  const texts = "h2, h4, p, label, button:enabled, input, select, .said, .mark, .soft, td, th";
  return [...document.querySelectorAll(texts)].map((element) => {
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_scrolls_sideways_and_all_text_stands_out(
    chromium: Browser, report: Path, scheme: str, width: int
) -> None:
    with opened(chromium, report, viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 251, 249)"
        assert light is (scheme == "light")
        boxes = page.locator(".controls label > *").evaluate_all(
            "boxes => boxes.map(box => box.offsetWidth <= box.parentElement.clientWidth)"
        )
        assert len(boxes) == 5
        assert all(boxes), "no control covers its neighbour"
        contrasts = page.evaluate(CONTRAST)
        assert len(contrasts) > 50
        assert min(contrasts) >= 4.5


def test_print_shows_the_questions_without_the_controls(chromium: Browser, report: Path) -> None:
    with opened(chromium, report) as page:
        page.emulate_media(media="print")
        assert not page.get_by_role("searchbox").is_visible()
        assert not page.get_by_role("button", name="Next").is_visible()
        assert page.locator("article").count() == 10
        assert page.pdf().startswith(b"%PDF")


def test_twenty_thousand_questions_can_be_searched(chromium: Browser, tmp_path: Path) -> None:
    """How fast, ``benchmarks/report.py`` says."""
    with opened(chromium, write_report(answered_run(tmp_path, 20_000, ()))) as page:
        assert found(page) == 20_000
        page.get_by_role("searchbox", name="Search").fill("case 19999:")
        expect_status(page, "^1 of 20,000")
        assert page.locator("article h3").inner_text() == "Question 20,000 q-19999"
