"""Medical practice: body mass index, corrected QT, creatinine clearance, drip rates, doses by weight.

Formulas: Bazett (Heart 7, 353, 1920) and Fridericia (Acta Med Scand 53, 469, 1920) for QT; Cockcroft and
Gault (Nephron 16, 31, 1976) for creatinine clearance. Difficulty adds formulas, decimals and findings that
do not matter. Not medical advice: the numbers are made up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from bridge_distill.practice import practice_tasks
from bridge_distill.practice._arithmetic import Working, differ, lay_out, pattern, step, tell
from bridge_distill.traces import Trace

Values = dict[str, str]
_FIELDS = {"sex": "man|woman", "drug": r"[a-z]+"}
_DRUGS = ("amikacin", "vancomycin", "gentamicin", "paracetamol", "ketamine", "heparin", "phenytoin", "cefazolin")


@dataclass(frozen=True)
class Formula:
    """One kind of problem: its wordings, how its values are drawn, and how it is worked (``slip``: wrongly)."""

    wordings: tuple[str, ...]
    draw: Callable[[Random, int], Values]
    work: Callable[[dict[str, Decimal], Values, bool], Working]

    def read(self, text: str) -> Values | None:
        """The values found in a question of this kind, or None."""
        for wording in self.wordings:
            found = pattern(wording, **_FIELDS).search(text)
            if found:
                return found.groupdict()
        return None


def _number(rng: Random, low: int, high: int, decimals: int = 0) -> str:
    value = Decimal(rng.randint(low * 10**decimals, high * 10**decimals)).scaleb(-decimals)
    return format(value, "f")


def _bmi(n: dict[str, Decimal], told: Values, slip: bool) -> Working:
    metres = step("the height in metres", f"{told['height']} / 100", n["height"] / 100, 2)
    square = step("the height squared", f"{metres.result} * {metres.result}", metres.value * metres.value, 4)
    under = metres if slip else square
    index = step("the body mass index", f"{told['weight']} / {under.result}", n["weight"] / under.value, 2)
    rule = "The body mass index is the weight in kg over the height in metres" + ("" if slip else " squared")
    return Working(rule, [metres, *([] if slip else [square]), index])


def _qt(n: dict[str, Decimal], told: Values, slip: bool, root: str) -> Working:
    interval = step("the RR interval in seconds", f"60 / {told['rate']}", 60 / n["rate"], 4)
    exponent = Decimal(1) / (2 if root == "sqrt" else 3)
    rooted = step(f"the {_ROOTS[root]} of RR", f"{root}({interval.result})", interval.value**exponent, 4)
    under = interval if slip else rooted
    corrected = step("the corrected QT", f"{told['qt']} / {under.result}", n["qt"] / under.value, 1)
    rule = "The corrected QT is the QT over " + (
        "the RR interval" if slip else f"the {_ROOTS[root]} of the RR interval"
    )
    return Working(rule, [interval, *([] if slip else [rooted]), corrected])


def _bazett(n: dict[str, Decimal], told: Values, slip: bool) -> Working:
    return _qt(n, told, slip, "sqrt")


def _fridericia(n: dict[str, Decimal], told: Values, slip: bool) -> Working:
    return _qt(n, told, slip, "cbrt")


_CLEARANCE = (
    "The creatinine clearance is the years left to a fixed age times the weight, over a constant times creatinine"
)
_WOMAN = ", times a factor for a woman"


def _clearance(n: dict[str, Decimal], told: Values, slip: bool) -> Working:
    years = step("140 minus the age", f"140 - {told['age']}", 140 - n["age"], 0)
    top = step("that times the weight", f"{years.result} * {told['weight']}", years.value * n["weight"], 1)
    under = step("72 times the creatinine", f"72 * {told['creatinine']}", 72 * n["creatinine"], 2)
    ratio = step("the clearance", f"{top.result} / {under.result}", top.value / under.value, 2)
    rule = "The creatinine clearance is (140 - age) * weight / (72 * creatinine)"
    woman = told["sex"] == "woman"
    if woman == slip:
        return Working(rule, [years, top, under, ratio], strategy=_CLEARANCE)
    factor = step("that times 0.85 for a woman", f"{ratio.result} * 0.85", ratio.value * Decimal("0.85"), 2)
    return Working(
        f"{rule}, times 0.85 for a woman", [years, top, under, ratio, factor], strategy=f"{_CLEARANCE}{_WOMAN}"
    )


def _drip(n: dict[str, Decimal], told: Values, slip: bool) -> Working:
    minutes = step("the time in minutes", f"{told['hours']} * 60", n["hours"] * 60, 1)
    drops = step("the drops in all", f"{told['volume']} * {told['factor']}", n["volume"] * n["factor"], 1)
    over, spelled = (n["hours"], told["hours"]) if slip else (minutes.value, minutes.result)
    rate = step("the drip rate", f"{drops.result} / {spelled}", drops.value / over, 2)
    rule = f"The drip rate is the drops in all over the time in {'hours' if slip else 'minutes'}"
    return Working(rule, [*([] if slip else [minutes]), drops, rate])


def _dose(n: dict[str, Decimal], told: Values, slip: bool) -> Working:
    dose = step("the dose in mg", f"{told['weight']} * {told['dose']}", n["weight"] * n["dose"], 2)
    if slip:
        volume = step("the volume in mL", f"{dose.result} * {told['strength']}", dose.value * n["strength"], 2)
        return Working("The volume is the dose times the strength of the solution", [dose, volume])
    volume = step("the volume in mL", f"{dose.result} / {told['strength']}", dose.value / n["strength"], 2)
    return Working("The volume is the dose over the strength of the solution", [dose, volume])


_ROOTS = {"sqrt": "square root", "cbrt": "cube root"}
FORMULAS = (
    Formula(
        (
            "A patient weighs {weight} kg and is {height} cm tall. What is the body mass index in kg/m2?",
            "Height {height} cm, weight {weight} kg. Give the body mass index in kg/m2.",
        ),
        lambda rng, places: {"weight": _number(rng, 45, 130, places), "height": _number(rng, 150, 198)},
        _bmi,
    ),
    Formula(
        (
            "Infuse {volume} mL over {hours} hours with a set of {factor} drops/mL. How many drops per minute?",
            "A bag of {volume} mL runs in {hours} hours; the set gives {factor} drops/mL. How many drops per min?",
        ),
        lambda rng, places: {
            "volume": str(50 * rng.randint(2, 20 + 20 * places)),
            "hours": _number(rng, 1, 12),
            "factor": str(rng.choice((10, 15, 20, 60))),
        },
        _drip,
    ),
    Formula(
        (
            "A patient of {weight} kg needs {drug}, {dose} mg/kg, from a solution of {strength} mg/mL. How many mL?",
            "Give {dose} mg/kg of {drug} to a patient of {weight} kg; it holds {strength} mg/mL. How many mL is that?",
        ),
        lambda rng, places: {
            "weight": _number(rng, 8, 110, places),
            "drug": rng.choice(_DRUGS),
            "dose": _number(rng, 2, 20, places),
            "strength": str(rng.choice((5, 10, 20, 25, 40, 50))),
        },
        _dose,
    ),
    Formula(
        (
            "The QT interval is {qt} ms at {rate} beats per minute. What is the corrected QT in ms by Bazett?",
            "Heart rate {rate} beats per minute, QT {qt} ms. Correct the QT by Bazett, in ms.",
        ),
        lambda rng, places: {"rate": _number(rng, 66, 140), "qt": _number(rng, 300, 460)},
        _bazett,
    ),
    Formula(
        (
            "The QT interval is {qt} ms at {rate} beats per minute. What is the corrected QT in ms by Fridericia?",
            "Heart rate {rate} beats per minute, QT {qt} ms. Correct the QT by Fridericia, in ms.",
        ),
        lambda rng, places: {"rate": _number(rng, 66, 140), "qt": _number(rng, 300, 460)},
        _fridericia,
    ),
    Formula(
        (
            "A {sex} of {age} years weighs {weight} kg; the serum creatinine is {creatinine} mg/dL. "
            "What is the creatinine clearance in mL/min by Cockcroft and Gault?",
            "Serum creatinine {creatinine} mg/dL in a {sex}, {age} years, {weight} kg. "
            "Give the Cockcroft-Gault creatinine clearance in mL/min.",
        ),
        lambda rng, places: {
            "sex": rng.choice(("man", "woman")),
            "age": _number(rng, 25, 90),
            "weight": _number(rng, 45, 110, places),
            "creatinine": _number(rng, 1, 4, 1),
        },
        _clearance,
    ),
)
_IDLE: tuple[Callable[[Random], str], ...] = (
    lambda rng: f"The temperature is 3{rng.randint(6, 9)}.{rng.randint(0, 9)} degrees.",
    lambda rng: f"The blood pressure is {rng.randint(95, 170)}/{rng.randint(55, 95)} mmHg.",
    lambda rng: f"The breathing rate is {rng.randint(10, 28)} a minute.",
    lambda rng: f"The blood sugar was {rng.randint(70, 210)} mg/dL this morning.",
)


class Medical:
    """Difficulty 0 asks for the first three formulas in whole numbers, 1 for all of them."""

    form = "number"

    def draw(self, rng: Random, variant: int, difficulty: float) -> tuple[str, str]:
        """See ``PracticeTask``; ``variant`` has nothing to balance here."""

        def draw(rng: Random) -> str:
            formula = rng.choice(FORMULAS[: 3 + round(3 * difficulty)])
            wording = rng.choice(formula.wordings[: 1 if difficulty < 0.2 else 2])
            idle = [finding(rng) for finding in rng.sample(_IDLE, rng.randint(0, round(3 * difficulty)))]
            return " ".join([*idle, wording.format(**formula.draw(rng, round(difficulty)))])

        return differ(draw, _work, rng)

    def solve(self, text: str, phrasing: int, error: bool) -> str | None:
        """See ``PracticeTask``."""
        found = _find(text)
        return None if found is None else tell(_worked(*found, error), phrasing)

    def trace(self, text: str, phrasing: int, error: bool) -> Trace | None:
        """See ``PracticeTask``."""
        found = _find(text)
        return None if found is None else lay_out(_worked(*found, error))


def _find(text: str) -> tuple[Formula, Values] | None:
    for formula in FORMULAS:
        values = formula.read(text)
        if values:
            return formula, values
    return None


def _work(text: str, slip: bool) -> Working:
    found = _find(text)
    if found is None:
        raise ValueError(f"a drawn question cannot be read back: {text}")
    return _worked(*found, slip)


def _worked(formula: Formula, values: Values, slip: bool) -> Working:
    numbers = {name: Decimal(value) for name, value in values.items() if re.fullmatch(r"[\d.]+", value)}
    return formula.work(numbers, values, slip)


practice_tasks.register("medical")(Medical())
