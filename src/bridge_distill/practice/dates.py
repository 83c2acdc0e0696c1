"""Temporal practice: the date some time before or after another, and the days between two dates.

In the manner of the date understanding of BIG-bench (Srivastava et al. 2022, arXiv 2206.04615). Difficulty adds longer
times, weeks and months, and days that are told by their neighbours.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from bridge_distill.practice import practice_tasks
from bridge_distill.traces import Trace

MONTHS = tuple(calendar.month_name)[1:]
TODAY = {"Today is": 0, "Yesterday was": 1, "Tomorrow is": -1}
_DATE = rf"({'|'.join(MONTHS)}) (\d{{1,2}}), (\d{{4}})"
_AMOUNT = r"(\d{1,3}) (day|week|month)s?(?: and (\d{1,3}) days?)?"
_OFFSET = re.compile(rf"\b({'|'.join(TODAY)}) {_DATE}\. What is the date {_AMOUNT} (from now|ago)\?")
# Longer times would be told in more months than a rationale has room for.
_LONGEST = 400
_BETWEEN = re.compile(rf"\bHow many days is it from {_DATE} to {_DATE}\?")


@dataclass(frozen=True)
class Reckoning:
    """How a question of a kind is answered: in steps, to a canonical answer."""

    strategy: str
    steps: list[str]
    answer: str


class Dates:
    """Three questions in four ask for a date, one for the days between two."""

    form = "date"

    def draw(self, rng: Random, variant: int, difficulty: float) -> tuple[str, str]:
        """Variant 3 asks for the days between two dates."""
        text = _draw_between(rng, difficulty) if variant == 3 else _draw_offset(rng, difficulty)
        found = read(text, False)
        if found is None:
            raise ValueError(f"a drawn question cannot be read back: {text}")
        return text, found.answer

    def solve(self, text: str, phrasing: int, error: bool) -> str | None:
        """See ``PracticeTask``."""
        found = read(text, error)
        if found is None:
            return None
        style = phrasing % 3
        if style == 0:
            told = " ".join(found.steps)
        elif style == 1:
            told = "\n".join(f"{number}. {step}" for number, step in enumerate(found.steps, start=1))
        else:
            told = " ".join([found.strategy, *found.steps])
        return f"{told}\nAnswer: {found.answer}"

    def trace(self, text: str, phrasing: int, error: bool) -> Trace | None:
        """See ``PracticeTask``; its steps have one phrasing."""
        found = read(text, error)
        return None if found is None else Trace(found.strategy, tuple(found.steps), found.answer)


def read(text: str, error: bool) -> Reckoning | None:
    """Work a question out, or None where it is not of this kind, or its dates are none. ``error`` is off by a day."""
    try:
        offset = _OFFSET.search(text)
        if offset is not None:
            return _offset(offset, error)
        between = _BETWEEN.search(text)
        if between is not None:
            one, other = between.groups()[:3], between.groups()[3:]
            return _between(_date(*one), _date(*other), error)
    except (ValueError, OverflowError):
        return None
    return None


def spell(day: date) -> str:
    """A date as questions write it, e.g. ``March 3, 2021``."""
    return f"{MONTHS[day.month - 1]} {day.day}, {day.year}"


def _draw_offset(rng: Random, difficulty: float) -> str:
    unit = rng.choice(("day", "week", "month")[: 1 + round(2 * difficulty)])
    number = rng.randint(2, {"day": 20 + round(40 * difficulty), "week": 6, "month": 11}[unit])
    more = f" and {rng.randint(2, 6)} days" if unit != "day" and rng.random() < difficulty else ""
    told = rng.choice(list(TODAY)[: 1 + round(2 * difficulty)])
    way = rng.choice(("from now", "ago"))
    return f"{told} {spell(_random_date(rng))}. What is the date {number} {unit}s{more} {way}?"


def _draw_between(rng: Random, difficulty: float) -> str:
    first = _random_date(rng)
    last = first + timedelta(days=rng.randint(5, 30 + round(120 * difficulty)))
    return f"How many days is it from {spell(first)} to {spell(last)}?"


def _random_date(rng: Random) -> date:
    return date(1990, 1, 1) + timedelta(days=rng.randrange(365 * 40))


def _date(month: str, day: str, year: str) -> date:
    return date(int(year), MONTHS.index(month) + 1, int(day))


def _offset(asked: re.Match[str], error: bool) -> Reckoning:
    """Months first, then weeks and days as days; the slip counts the first day as one of them."""
    told, month, day, year, number, unit, more, way = asked.groups()
    today, sign = _date(month, day, year) + timedelta(days=TODAY[told]), 1 if way == "from now" else -1
    steps = [f"{told} {month} {day}, {year}, so today is {spell(today)}."] if TODAY[told] else []
    days = int(more or 0)
    if unit == "month":
        today = _by_months(today, sign * int(number))
        steps.append(f"{number} months {'later' if sign > 0 else 'earlier'} it is {spell(today)}.")
    else:
        days += int(number) * (7 if unit == "week" else 1)
    if unit == "week":
        steps.append(f"{number} weeks{f' and {more} days' if more else ''} are {days} days.")
    days = sign * (days - int(error))
    end = today + timedelta(days=days)
    steps += _carry(today, days) if days else [f"So it is {spell(end)}."]
    strategy = "Find today, turn the time into days, and carry them over the ends of the months."
    return Reckoning(strategy, steps, end.isoformat())


def _by_months(day: date, months: int) -> date:
    """The same day of another month, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, _length(year, month + 1)))


def _carry(start: date, days: int) -> list[str]:
    """The steps from a date over the ends of months, to the date so many days later."""
    name, number = MONTHS[start.month - 1], start.day + days
    steps = [f"{name} {start.day} {'+' if days >= 0 else '-'} {abs(days)} = {name} {number}."]
    year, month = start.year, start.month
    while number > _length(year, month):
        passed = f"{MONTHS[month - 1]} has {_length(year, month)} days"
        number -= _length(year, month)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        steps.append(f"{passed}, so that is {MONTHS[month - 1]} {number}, {year}.")
    while number < 1:
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
        number += _length(year, month)
        passed = f"{MONTHS[month - 1]} has {_length(year, month)} days"
        steps.append(f"{passed}, so that is {MONTHS[month - 1]} {number}, {year}.")
    return steps


def _between(first: date, last: date, error: bool) -> Reckoning | None:
    """The days from one date to a later one, month by month; the slip counts both ends."""
    days = (last - first).days
    if not 1 <= days <= _LONGEST:
        return None
    if (first.year, first.month) == (last.year, last.month):
        steps = [f"Both lie in {MONTHS[first.month - 1]}: {last.day} - {first.day} = {days}."]
    else:
        length = _length(first.year, first.month)
        left = length - first.day
        steps = [f"{MONTHS[first.month - 1]} has {length} days: {length} - {first.day} = {left} are left."]
        whole = [(month.month, _length(month.year, month.month)) for month in _months_between(first, last)]
        steps += [f"{MONTHS[month - 1]} has {length} days." for month, length in whole]
        parts = [left, *(length for _, length in whole), last.day]
        steps.append(f"{MONTHS[last.month - 1]} adds {last.day}: {' + '.join(map(str, parts))} = {days}.")
    if error:
        steps.append(f"The first day counts too: {days} + 1 = {days + 1}.")
    days += int(error)
    strategy = "Count the days that are left of the first month, those of every whole month, and those of the last."
    return Reckoning(strategy, steps, f"{days} day{'' if days == 1 else 's'}")


def _months_between(first: date, last: date) -> list[date]:
    """The first days of the whole months between two dates."""
    found: list[date] = []
    month = first
    while True:
        month = _by_months(month.replace(day=1), 1)
        if (month.year, month.month) == (last.year, last.month):
            return found
        found.append(month)


def _length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


practice_tasks.register("dates")(Dates())
