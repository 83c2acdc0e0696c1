"""A calendar date, or a length of time."""

from __future__ import annotations

import datetime
import re
import unicodedata

from bridge_distill.answers import answer_forms
from bridge_distill.records import Question

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_WEEKDAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,? +)?"
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_NUMERIC = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4})")
_NAMED = (
    re.compile(rf"{_WEEKDAY}{_MONTH} +{_DAY},? +(?P<year>\d{{4}})"),
    re.compile(rf"{_WEEKDAY}{_DAY}(?: +of)? +{_MONTH},? +(?P<year>\d{{4}})"),
)
_LENGTH = re.compile(r"(\d{1,6}) (year|month|week|day)s?")
_UNITS = ("year", "month", "week", "day")


class Date:
    """Canonical is ISO 8601 for a date and ``3 weeks 4 days`` for a length of time."""

    def instruction(self, question: Question) -> str:
        """``a date``, or a length of time where the question's wording may ask for one."""
        return "a date or a length of time" if re.search(r"\b(?:age|long|many)\b", question.text) else "a date"

    def options(self, question: Question) -> list[str]:
        """None: they cannot be listed."""
        return []

    def canonical(self, text: str, choices: list[str] | None) -> str | None:
        """Read ISO, ``MM/DD/YYYY`` (day first where only that is a date), a named month, or a length of time."""
        plain = " ".join(unicodedata.normalize("NFKC", text).lower().split()).strip(" .")
        return _date(plain) or _length(plain)

    def correct(self, answer: str, question: Question) -> bool:
        """The same day, or the same length: a week is 7 days, a year 12 months."""
        return question.answer is not None and _measure(answer) == _measure(question.answer)


def _date(plain: str) -> str | None:
    iso = _ISO.fullmatch(plain)
    if iso:
        return _valid(*iso.groups())
    numeric = _NUMERIC.fullmatch(plain)
    if numeric:
        first, _, second, year = numeric.groups()
        return _valid(year, first, second) or _valid(year, second, first)
    for pattern in _NAMED:
        named = pattern.fullmatch(plain)
        if named:
            return _valid(named["year"], str(_MONTHS.index(named["month"][:3]) + 1), named["day"])
    return None


def _valid(year: str, month: str, day: str) -> str | None:
    try:
        return datetime.date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None


def _length(plain: str) -> str | None:
    bare = " ".join(re.sub(r"[()\[\]'\",]| and ", " ", plain).split())
    parts = _LENGTH.findall(bare)
    if not parts or len(_LENGTH.sub("", bare).split()) > 0:
        return None
    units = [unit for _, unit in parts]
    if units != [unit for unit in _UNITS if unit in units]:
        return None
    told = [f"{int(n)} {unit}{'' if int(n) == 1 else 's'}" for n, unit in parts if int(n)]
    return " ".join(told) or "0 days"


def _measure(canonical: str) -> tuple[int, int] | str:
    parts = {unit: int(n) for n, unit in _LENGTH.findall(canonical)}
    if not parts:
        return canonical
    return parts.get("year", 0) * 12 + parts.get("month", 0), parts.get("week", 0) * 7 + parts.get("day", 0)


answer_forms.register("date")(Date())
