"""Financial practice: change, percentage change, ratio, margin, sum and average over a small statement.

Difficulty adds rows, years and decimals. The questions are in the manner of TAT-QA (Zhu et al. 2021,
arXiv 2105.07624); the companies and their figures are made up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from bridge_distill.practice import practice_tasks
from bridge_distill.practice._arithmetic import NUMBER, Step, Working, differ, lay_out, pattern, spell, step, tell
from bridge_distill.traces import Trace

_ITEM, _YEAR = "[a-z ]+?", r"\d{4}"
_FIELDS = {"item": _ITEM, "other": _ITEM, "year": _YEAR, "before": _YEAR}
REVENUE = "revenue"
ITEMS = (
    *("net income", "operating profit", "cost of sales", "cash", "total assets", "total liabilities", "inventories"),
    *("research expenses", "marketing expenses", "trade receivables", "long term debt", "dividends paid"),
)
_ROW = re.compile(rf"^([A-Z][a-z ]+?)((?: \| (?:{NUMBER}))+)\s*$", flags=re.MULTILINE)
_HEADER = re.compile(r"^\$ million((?: \| \d{4})+)\s*$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Table:
    """Amounts in $ million: by item, then by year."""

    years: list[str]
    rows: dict[str, dict[str, str]]

    def text(self) -> str:
        """One line an item, columns between bars."""
        lines = [
            f"{item[0].upper()}{item[1:]} | {' | '.join(cells[year] for year in self.years)}"
            for item, cells in self.rows.items()
        ]
        return "\n".join([f"$ million | {' | '.join(self.years)}", *lines])


@dataclass(frozen=True)
class Ask:
    """What a question asks for: its wordings, and how it is worked (``slip``: wrongly)."""

    wordings: tuple[str, ...]
    work: Callable[[Table, dict[str, str], bool], Working]


def read_table(text: str) -> Table | None:
    """Read the table back out of a question."""
    header = _HEADER.search(text)
    if not header:
        return None
    years = header[1].strip(" |").split(" | ")
    rows = {item.lower(): cells.strip(" |").split(" | ") for item, cells in _ROW.findall(text)}
    return Table(years, {item: dict(zip(years, cells, strict=False)) for item, cells in rows.items()})


def _amount(cell: str) -> Decimal:
    return Decimal(cell.replace(",", ""))


def _difference(label: str, left: str, right: str) -> Step:
    return step(label, f"{left} - {right}", _amount(left) - _amount(right), 1)


def _quotient(label: str, left: str, right: str) -> Step:
    return step(label, f"{left} / {right}", _amount(left) / _amount(right), 5)


def _percent(label: str, share: Step) -> Step:
    return step(label, f"{share.result} * 100", share.value * 100, 2)


def _in_percent(rule: str) -> str:
    return rule.replace("times 100", "in percent")


def _change(table: Table, asked: dict[str, str], slip: bool) -> Working:
    new, old = (table.rows[asked["item"]][asked[name]] for name in ("year", "before"))
    left, right = (old, new) if slip else (new, old)
    order = "the earlier amount minus the later" if slip else "the later amount minus the earlier"
    return Working(f"A change is {order}", [_difference(f"the change in {asked['item']}", left, right)])


def _percentage(table: Table, asked: dict[str, str], slip: bool) -> Working:
    new, old = (table.rows[asked["item"]][asked[name]] for name in ("year", "before"))
    change = _difference(f"the change in {asked['item']}", new, old)
    base = new if slip else old
    share = step("the share", f"{change.result} / {base}", change.value / _amount(base), 5)
    rule = f"A percentage change is the change over the {'later' if slip else 'earlier'} amount, times 100"
    return Working(rule, [change, share, _percent("the percentage", share)], "percent", _in_percent(rule))


def _ratio(table: Table, asked: dict[str, str], slip: bool) -> Working:
    one, other = (table.rows[asked[name]][asked["year"]] for name in ("item", "other"))
    left, right = (other, one) if slip else (one, other)
    ratio = _quotient("the ratio", left, right)
    return Working(f"The ratio is the {'second' if slip else 'first'} amount over the other", [ratio])


def _margin(table: Table, asked: dict[str, str], slip: bool) -> Working:
    part, whole = (table.rows[item][asked["year"]] for item in (asked["item"], REVENUE))
    left, right = (whole, part) if slip else (part, whole)
    share = _quotient("the share", left, right)
    rule = f"The margin is {'revenue over the item' if slip else 'the item over revenue'}, times 100"
    return Working(rule, [share, _percent("the margin", share)], "percent", _in_percent(rule))


def _added(table: Table, item: str) -> tuple[Step, int]:
    cells = [table.rows[item][year] for year in table.years]
    return step(f"the sum of {item}", " + ".join(cells), sum(map(_amount, cells), Decimal(0)), 1), len(cells)


def _total(table: Table, asked: dict[str, str], slip: bool) -> Working:
    item = next((row for row in table.rows if row != asked["item"]), asked["item"]) if slip else asked["item"]
    return Working("The total adds all years of the row", [_added(table, item)[0]])


def _average(table: Table, asked: dict[str, str], slip: bool) -> Working:
    added, years = _added(table, asked["item"])
    count = years + 1 if slip else years
    mean = step("the average", f"{added.result} / {count}", added.value / count, 2)
    return Working("The average is the sum over the number of years", [added, mean])


ASKS = (
    Ask(
        (
            "What is the change in {item} from {before} to {year}, in $ million?",
            "By how many $ million did {item} change between {before} and {year}?",
        ),
        _change,
    ),
    Ask(
        ("What is the total of {item} over all years, in $ million?", "Add up {item} of all years, in $ million."),
        _total,
    ),
    Ask(
        (
            "What is the ratio of {item} to {other} in {year}?",
            "In {year}, how many times as large as {other} is {item}?",
        ),
        _ratio,
    ),
    Ask(
        (
            "What is the percentage change in {item} from {before} to {year}?",
            "By what percentage did {item} change between {before} and {year}?",
        ),
        _percentage,
    ),
    Ask(
        ("What is the average of {item} over all years, in $ million?", "Average {item} over all years, in $ million."),
        _average,
    ),
    Ask(
        ("What percentage of revenue is {item} in {year}?", "In {year}, what margin is {item} on revenue, in percent?"),
        _margin,
    ),
)


class Financial:
    """Difficulty 0 asks for changes, totals and ratios over two rows and two years, 1 for all over six and four."""

    form = "number"

    def draw(self, rng: Random, variant: int, difficulty: float) -> tuple[str, str]:
        """See ``PracticeTask``; ``variant`` has nothing to balance here."""

        def draw(rng: Random) -> str:
            table = _table(rng, difficulty)
            wordings = rng.choice(ASKS[: 3 + round(3 * difficulty)]).wordings
            item, other = rng.sample([row for row in table.rows if row != REVENUE], 2)
            year, before = table.years[:2]
            wording = rng.choice(wordings[: 1 if difficulty < 0.2 else 2])
            return f"{table.text()}\n{wording.format(item=item, other=other, year=year, before=before)}"

        return differ(draw, _work, rng)

    def solve(self, text: str, phrasing: int, error: bool) -> str | None:
        """See ``PracticeTask``."""
        found = _find(text)
        return None if found is None else tell(found[0].work(*found[1:], error), phrasing)

    def trace(self, text: str, phrasing: int, error: bool) -> Trace | None:
        """See ``PracticeTask``."""
        found = _find(text)
        return None if found is None else lay_out(found[0].work(*found[1:], error))


def _table(rng: Random, difficulty: float) -> Table:
    items = [REVENUE, *rng.sample(ITEMS, 2 + round(3 * difficulty))]
    latest = rng.randint(2012, 2025)
    years = [str(latest - back) for back in range(2 + round(2 * difficulty))]
    places = 1 if difficulty >= 0.3 else 0
    rows = {}
    for item in items:
        amount = Decimal(rng.randint(900, 9000) if item == REVENUE else rng.randint(40, 800))
        cells = {}
        for year in years:
            cells[year] = spell(amount, places)
            amount *= Decimal(rng.choice([*range(70, 95), *range(106, 140)])) / 100
        rows[item] = cells
    return Table(years, rows)


def _find(text: str) -> tuple[Ask, Table, dict[str, str]] | None:
    table = read_table(text)
    if table is None:
        return None
    for ask in ASKS:
        for wording in ask.wordings:
            found = pattern(wording, **_FIELDS).search(text)
            if found and _answerable(table, found.groupdict()):
                return ask, table, found.groupdict()
    return None


def _answerable(table: Table, asked: dict[str, str]) -> bool:
    items = [asked[name] for name in ("item", "other") if name in asked]
    years = [asked[name] for name in ("year", "before") if name in asked]
    return all(item in table.rows for item in items) and all(year in table.years for year in years)


def _work(text: str, slip: bool) -> Working:
    found = _find(text)
    if found is None:
        raise ValueError(f"a drawn question cannot be read back: {text}")
    return found[0].work(*found[1:], slip)


practice_tasks.register("financial")(Financial())
