"""What a study's folder is told as: the summary, the page and the table, finished or not, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bridge_distill.cli import app
from bridge_distill.errors import UserError
from bridge_distill.report.study import in_words, open_study, summarise_study, write_study_report
from pages import Page
from studies import drawn, line, write_study

CHANCES = {
    ("direct", "2%"): 0.5,
    ("bridge", "2%"): 0.75,
    ("twin", "2%"): 0.5,
    ("direct", "10%"): 0.6,
    ("bridge", "10%"): 0.8,
    ("labels", "100%"): 0.65,
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two data sets, four arms and two budgets, with four seeds."""
    return write_study(tmp_path / "s", drawn(["legal", "money"], CHANCES, seeds=4), "direct")


def row(summary: dict[str, Any], set_: str, arm: str, budget: str) -> dict[str, Any]:
    found = [row for row in summary["sets"][set_]["arms"] if (row["arm"], row["budget"]) == (arm, budget)]
    assert len(found) == 1
    return found[0]


def test_each_arm_is_compared_with_the_reference_at_its_own_budget(study: Path) -> None:
    found = summarise_study(study)
    bridge = row(found, "legal", "bridge", "10%")
    direct = row(found, "legal", "direct", "10%")
    assert bridge["seeds"] == [0, 1, 2, 3]
    assert bridge["difference"]["reference_budget"] == "10%"
    shares = bridge["accuracy"]["value"], direct["accuracy"]["value"]
    assert bridge["difference"]["points"] == pytest.approx(100 * (shares[0] - shares[1]))
    assert bridge["ratio"]["value"] == pytest.approx(shares[0] / shares[1])
    assert bridge["difference"]["low"] < bridge["difference"]["points"] < bridge["difference"]["high"]
    assert direct["difference"] is None


def test_an_arm_is_better_where_it_is_and_its_twin_is_not_resolved(study: Path) -> None:
    found = summarise_study(study)
    assert row(found, "legal", "bridge", "2%")["difference"]["resolved"]
    assert not row(found, "legal", "twin", "2%")["difference"]["resolved"]
    p = [row["difference"] for part in found["sets"].values() for row in part["arms"] if row["difference"]]
    assert found["comparisons"] == len(p) == 6
    assert all(one["holm"] >= one["p"] for one in p)
    assert any(one["holm"] > one["p"] for one in p)


def test_the_gap_runs_from_the_untuned_base_to_the_teacher(study: Path) -> None:
    found = summarise_study(study)
    bridge = row(found, "legal", "bridge", "2%")
    assert found["sets"]["legal"]["base"]["value"] == pytest.approx(0.1)
    assert bridge["closed"]["value"] == pytest.approx((bridge["accuracy"]["value"] - 0.1) / (0.9 - 0.1))


def test_the_gap_of_an_arm_runs_to_its_own_teacher_weighed_by_its_replies(tmp_path: Path) -> None:
    right = [1, 0] * 10
    told = {"sound": ((1.0, 0.9), 0.0), "errs": ((0.5, 0.6), 0.4)}
    lines = [
        line("s", arm, budget, 0, right, teacher_right=share, calls=calls)
        for arm, (shares, _) in told.items()
        for budget, share, calls in zip(("1%", "10%"), shares, (4, 396), strict=True)
    ]
    lines.append(line("s", "labels", "100%", 0, right))
    teachers = {f"s, {arm}": {"teacher": {"provider": "expert", "error_rate": rate}} for arm, (_, rate) in told.items()}
    labels = {"s, labels": {"teacher": {"provider": "expert", "error_rate": 0.0, "samples": 3}}}
    folder = write_study(tmp_path / "s", lines, "sound", config=teachers | labels)
    found = summarise_study(folder)
    goals = [row(found, "s", *cell)["teacher"] for cell in (("sound", "1%"), ("errs", "10%"), ("labels", "100%"))]
    assert goals == pytest.approx([0.901, 0.599, 0.901])
    assert row(found, "s", "errs", "1%")["closed"]["value"] == pytest.approx((0.5 - 0.1) / (0.599 - 0.1))
    assert found["sets"]["s"]["teacher"] is None, "there is no line for two"
    page = Page.read(write_study_report(folder))
    assert "the arms' own teachers' paid replies agree with gold in 60%, 90%" in page.text
    assert ">teacher<" not in page.scripts[0]


def test_the_ledger_holds_means_over_seeds_and_exact_money(tmp_path: Path) -> None:
    lines = [
        line("s", "a", "5%", seed, [1, 0, 1], usd=usd, steps=100 * seed) for seed, usd in enumerate(("0.10", "0.20"))
    ]
    took = row(summarise_study(write_study(tmp_path / "s", lines, "a")), "s", "a", "5%")["ledger"]
    assert (took["usd"], took["steps"], took["calls"], took["seconds"]) == ("0.150000", 50, 100, 460)


def test_only_seeds_that_both_have_are_paired(tmp_path: Path) -> None:
    lines = drawn(["s"], {("direct", "2%"): 0.5, ("bridge", "2%"): 0.9}, seeds=4)
    left = [one for one in lines if (one["arm"], one["seed"]) not in {("bridge", 0), ("direct", 3)}]
    found = summarise_study(write_study(tmp_path / "s", left, "direct"))
    assert row(found, "s", "bridge", "2%")["seeds"] == [1, 2, 3]
    assert row(found, "s", "bridge", "2%")["difference"]["seeds"] == [1, 2]


def test_an_arm_at_a_budget_of_its_own_is_compared_only_with_a_reference_that_has_one(study: Path) -> None:
    assert row(summarise_study(study), "legal", "labels", "100%")["difference"] is None
    assert "not compared" in in_words(summarise_study(study))
    turned = summarise_study(study, "labels")
    assert row(turned, "legal", "bridge", "2%")["difference"]["reference_budget"] == "100%"
    assert row(turned, "legal", "labels", "100%")["difference"] is None


def test_questions_that_share_a_context_widen_the_intervals(tmp_path: Path) -> None:
    answers = ([1] * 10 + [0] * 10) * 10
    alone = [line("s", "a", "5%", 0, answers)]
    together = [line("s", "a", "5%", 0, answers, groups=[place // 10 for place in range(200)])]
    found = [
        summarise_study(write_study(tmp_path / name, lines, "a")) for name, lines in (("x", alone), ("y", together))
    ]
    narrow, wide = (row(each, "s", "a", "5%")["accuracy"] for each in found)
    assert wide["high"] - wide["low"] > 2 * (narrow["high"] - narrow["low"])
    assert (found[0]["sets"]["s"]["contexts"], found[1]["sets"]["s"]["contexts"]) == (None, 20)


def test_the_page_is_whole_needs_no_network_and_says_no_more_than_the_data(study: Path) -> None:
    path = write_study_report(study)
    page = Page.read(path)
    assert json.loads((study / "summary.json").read_text()) == json.loads(json.dumps(summarise_study(study)))
    assert "Of 6 comparisons with “direct”" in page.text
    assert "not resolved" in page.text
    assert not [
        tag for tag, attrs in page.tags if tag in ("script", "link", "img") and ("src" in attrs or "href" in attrs)
    ]
    assert len(page.ids) == len(set(page.ids))
    names = json.loads(page.scripts[0]).keys()
    assert {f"plot-{name}" for name in names} <= set(page.ids)
    assert names == {f"{kind}-{number}" for kind in ("frontier", "money", "forest") for number in (0, 1)}


def test_every_number_of_the_figures_also_stands_in_a_table(study: Path) -> None:
    rows = Page.read(write_study_report(study)).rows
    for found in summarise_study(study)["sets"]["legal"]["arms"]:
        value = f"{100 * found['accuracy']['value']:.0f}% ["
        assert any(
            cells[:2] == [found["arm"], found["budget"]] and any(value in cell for cell in cells) for cells in rows
        )


def test_assistants_and_guides_stand_beside_their_arms_students_with_each_seed(tmp_path: Path) -> None:
    lines = [line("s", "direct", "5%", seed, [1, 0] * 10) for seed in (1, 2)]
    for seed, right in ((1, 18), (2, 14)):
        tested = {"base": [0] * 20, "assistant": [1] * right + [0] * (20 - right), "guide/slow": [1] * 20}
        lines.append(line("s", "bridge", "5%", seed, [1, 0] * 10, others=tested))
    folder = write_study(tmp_path / "s", lines, "direct")
    page, summary = Page.read(write_study_report(folder)), summarise_study(folder)
    assert row(summary, "s", "direct", "5%")["beside"] == {}
    found = row(summary, "s", "bridge", "5%")["beside"]
    assert [*found] == ["assistant", "guide/slow"]
    assert found["assistant"]["by_seed"] == [0.9, 0.7]
    assert found["assistant"]["value"] == pytest.approx(0.8)
    assert found["assistant"]["low"] < 0.8 < found["assistant"]["high"]
    start = page.rows.index(["Arm", "Budget", "Tested", "Accuracy", "Each seed"])
    shown = page.rows[start + 1 : start + 3]
    assert [cells[:3] + cells[4:] for cells in shown] == [
        ["bridge", "5%", "assistant", "90.0%, 70.0%"],
        ["bridge", "5%", "guide slow", "100.0%, 100.0%"],
    ]
    assert shown[0][3].startswith("80% [")
    [told] = [text for text in in_words(summary).splitlines() if "assistant" in text]
    assert [cell.strip() for cell in told.strip("|").split("|")] == [cell.replace("\xa0", " ") for cell in shown[0]]


def test_no_two_of_many_arms_are_drawn_alike(tmp_path: Path) -> None:
    chances = {(f"arm-{number}", budget): 0.5 for number in range(20) for budget in ("2%", "10%")}
    page = Page.read(write_study_report(write_study(tmp_path / "s", drawn(["s"], chances, seeds=2), "arm-0")))
    drawn_as = json.loads(page.scripts[0])["frontier-0"]["data"]
    markers = {(line["line"]["color"], line["marker"]["symbol"]) for line in drawn_as}
    lines = {(line["line"]["color"], line["line"]["dash"]) for line in drawn_as}
    assert len(markers) == len(lines) == len(drawn_as) == len(chances) / 2


def test_only_the_methods_that_were_used_are_cited(study: Path, tmp_path: Path) -> None:
    several = write_study_report(study).read_text(encoding="utf-8")
    assert "Weerahandi" in several
    assert "Holm" in several
    assert not [name for name in ("Newcombe", "Zeger", "E. B. Wilson", "Gonzalez") if name in several]
    record = next((study / "stages").rglob("record.json"))
    record.write_text(json.dumps({"settings": {"select": {"method": "k_center"}}}))
    assert "Gonzalez" in write_study_report(study).read_text(encoding="utf-8")
    one = write_study(tmp_path / "one", drawn(["s"], {("direct", "2%"): 0.5, ("bridge", "2%"): 0.9}, seeds=1), "direct")
    alone = write_study_report(one).read_text(encoding="utf-8")
    assert "Newcombe" in alone
    assert not [name for name in ("Weerahandi", "S. Holm") if name in alone]
    assert "With one seed an interval is over questions alone" in alone


def test_an_unfinished_study_says_what_is_missing_and_what_failed(tmp_path: Path) -> None:
    lines = drawn(["s"], {("direct", "2%"): 0.5, ("bridge", "2%"): 0.9}, seeds=3)
    folder = write_study(tmp_path / "s", lines[:4], "direct", lines[4:])
    (folder / "failed").mkdir()
    (folder / "failed/x.json").write_text(
        json.dumps({"cell": "s, bridge, 2%, seed 1", "error": "<b>wrong</b>: fix it."})
    )
    page = write_study_report(folder).read_text(encoding="utf-8")
    assert "2 of 6 cells are missing, 1 of them failed" in page
    assert "&lt;b&gt;wrong&lt;/b&gt;" in page
    (folder / "results.jsonl").unlink()
    assert "0 of 6 cells have ended" in write_study_report(folder).read_text(encoding="utf-8")


def test_requests_that_failed_are_told(tmp_path: Path) -> None:
    lines = [line("s", "a", "5%", 0, [1, 0], failed=0), line("s", "a", "5%", 1, [1, 0], failed=30)]
    folder = write_study(tmp_path / "s", [*lines, line("s", "b", "5%", 0, [1, 0])], "a")
    told = "s, 5%: for “a” up to 30 requests in a cell failed and brought no reply."
    assert told in Page.read(write_study_report(folder)).text
    assert told in in_words(summarise_study(folder))
    assert "“b”" not in "".join(
        part for part in in_words(summarise_study(folder)).split("\n") if "brought no reply" in part
    )


def test_secrets_of_a_study_are_not_shown(tmp_path: Path) -> None:
    lines = drawn(["s"], {("direct", "2%"): 0.5}, seeds=1)
    settings = {"arms": {"direct": {"teacher": {"key_command": "pass show it"}}}}
    command = "bridge-distill study s.yaml --set 'teacher.key_command=pass show it'"
    page = write_study_report(write_study(tmp_path / "s", lines, "direct", study=settings, command=command))
    assert "pass show it" not in page.read_text(encoding="utf-8")


def test_a_page_of_a_study_does_not_say_where_it_was_made(tmp_path: Path) -> None:
    lines, home = drawn(["s"], {("direct", "2%"): 0.5}, seeds=1), tmp_path / "of a client"
    command = f"bridge-distill study '{home}/s.yaml' --set 'base={home}/run.yaml'"
    folder = write_study(home / "s", lines, "direct", command=command)
    (folder / "failed").mkdir()
    error = f"{folder}/data/legal: is damaged; see https://example.org/a/b, delete {tmp_path}/pool.jsonl"
    (folder / "failed/a.json").write_text(json.dumps({"cell": "s, bridge", "error": error}))
    page = Page.read(write_study_report(folder)).text
    assert str(tmp_path) not in page
    assert "bridge-distill study ../s.yaml --set base=../run.yaml" in page
    assert "data/legal: is damaged; see https://example.org/a/b, delete ../../pool.jsonl" in page


def test_the_command_reports_a_study_and_its_json(study: Path) -> None:
    told = CliRunner().invoke(app, ["report", str(study)])
    assert told.output == f"report: {study / 'report.html'}\n"
    as_json = CliRunner().invoke(app, ["report", str(study), "--reference", "labels", "--json"])
    assert json.loads(as_json.output)["reference"] == "labels"


def test_the_table_for_the_terminal_is_markdown_with_intervals_and_verdicts(study: Path) -> None:
    told = in_words(summarise_study(study))
    rows = [
        [cell.strip() for cell in text.strip("|").split("|")] for text in told.splitlines() if text.startswith("| ")
    ]
    found = next(cells for cells in rows if cells[:2] == ["bridge", "2%"])
    assert found[2] == "4"
    assert found[6] == "better"
    assert "[" in found[3]
    assert "[" in found[4]


def test_what_cannot_be_compared_is_refused_in_one_sentence(study: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no study\.json"):
        open_study(tmp_path)
    with pytest.raises(UserError, match="did you mean 'labels'"):
        open_study(study, "label")
    lines = [line("s", "a", "5%", 0, [1, 0]), line("s", "a", "5%", 1, [1, 0], questions="others")]
    with pytest.raises(UserError, match="tested on different questions"):
        open_study(write_study(tmp_path / "mixed", lines, "a"))
    (study / "results.jsonl").write_text('{"set": 1}\n')
    with pytest.raises(UserError, match=r"results\.jsonl:1: is no result"):
        open_study(study)
