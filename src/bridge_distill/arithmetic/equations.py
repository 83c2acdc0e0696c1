"""Whether the equations of numbers in a text hold.

An equation is an expression with at least one operator, "=", and a number or an expression. A result may be
rounded to the decimals that it is written with. What is not surely an equation of numbers alone (units or words
between them, powers, functions, unknowns, "roughly") is left unjudged: better to miss a wrong step than to refuse a
right one. At most ``REACH`` characters on either side of a sign are looked at, so time is linear in the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from bridge_distill.arithmetic.expression import REACH, Token, UnclearError, plain_signs, tokens_of, value_of

_EQUALS = re.compile(r"(?<![=<>!≠≤≥:+*/-])=(?![=>])")
_LIST_MARK = re.compile(r"\s*(?:[-*+•]\s+|\(?(?:[0-9]{1,3}|[a-z])[.)]\s+|(?:step|line)\s+[0-9]+\s*[-:.)]\s*)", re.I)
_POWER = re.compile(r"(?<=[0-9)])\s?\*\*\s?(?=[0-9(])")  # other double stars are bold
_REMAINDER = re.compile(r"\bR\s?[0-9]|\b(?:rem|remainder|left over)\b", re.IGNORECASE)
_LAST_WORD = re.compile(r"[^\W\d_]+\Z")
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_OPERATORS = ("+", "-", "*", "/")
_MOST_DECIMALS = 4
_NEAR = 30
# Words beside an expression that may be part of what is computed; so may a single letter.
_COMPUTING = re.compile(
    r"\w|of|times|plus|minus|by|over|from|less|than|half|twice|double|triple|squared?|cubed|root|sqrt|log|ln|modulo|mod|"
    r"divided|multiplied|cdot|frac|per|and|to|sum|product|difference|quotient|remainder|rem|average|mean|percent|"
    r"hundred|thousand|million|billion|trillion|[mb]n|dozen|tenths|hundredths|thousandths",
    re.IGNORECASE,
)
_BEFORE = frozenset(":,;.>\"'`[(=$")
_AFTER = frozenset(".,;:)]}?\"'`$<")


@dataclass(frozen=True, slots=True)
class FailedStep:
    """An equation that does not hold, as it was read.

    ``sign`` is where its equals sign stands in the text; ``right`` is the result that holds, written as the wrong one
    is (dollars, percent, decimals), None where the equation divides by zero.
    """

    equation: str
    sign: int
    right: str | None


def failed_step(text: str) -> FailedStep | None:
    """The first equation of the text that does not hold; None where there is none. Never raises."""
    start = 0
    for whole in text.splitlines(keepends=True):
        [line] = whole.splitlines()
        plain = plain_signs(_POWER.sub("^", line).replace("**", ""))
        for left, sign, right, complete in _equations(plain):
            found = _fault(left, right, complete)
            if found is not None:
                place = start + _nth_equals(line, plain.count("=", 0, sign))
                return FailedStep(f"{left.strip()} = {right.strip()}", place, found or None)
        start += len(whole)
    return None


def _equations(line: str) -> Iterator[tuple[str, int, str, bool]]:
    """The left side, the place, and the right side of each equals sign, and whether that is all of the left side."""
    mark = _LIST_MARK.match(line)
    cuts = [mark.end() - 1 if mark else -1, *(found.start() for found in _EQUALS.finditer(line)), len(line)]
    for begin, sign, end in zip(cuts, cuts[1:], cuts[2:], strict=False):
        left, right = line[max(begin + 1, sign - REACH) : sign], line[sign + 1 : end][:REACH]
        yield left, sign, right, sign - begin <= REACH


def _nth_equals(line: str, number: int) -> int:
    """Where an equals sign stands: spelling a line in plain signs moves it, but adds and takes away none."""
    place = -1
    for _ in range(number + 1):
        place = line.index("=", place + 1)
    return place


def _fault(left: str, right: str, whole: bool) -> str | None:
    """The right result where two sides disagree, ``""`` where there is none; None where they agree or are unclear.

    ``whole`` says that ``left`` is all that stands before the sign.
    """
    try:
        told, results = _end_of(left, whole), _beginnings_of(right)
        if _of_percentages(told) and not results[0][-1].percent:  # the result may be percentage points
            return None
        value = value_of(told)
        return None if any(_agrees(value, result) for result in results) else _spelt(value, results[0])
    except UnclearError:
        return None
    except ZeroDivisionError:
        return ""


def _of_percentages(tokens: list[Token]) -> bool:
    return all(token.percent for token in tokens if token.value is not None)


def _spelt(value: Fraction, wrong: list[Token]) -> str:
    """A value as a wrong result is spelt; more decimals where they make it exact, two where it never is."""
    token = next(token for token in wrong if token.value is not None)
    assert token.value is not None  # chosen by it
    if token.percent:  # computed without its sign, or with it: whichever the wrong result is nearer to
        value = min(value, 100 * value, key=lambda one: abs(one - 100 * (token.value or 0)))
    written = token.decimals - 2 * token.percent
    exact = (decimals for decimals in range(written, max(written, _MOST_DECIMALS) + 1) if _is_whole(value, decimals))
    decimals = next(exact, max(written, 2))
    # Half up, as a result is judged; round() would take halves to the even neighbour, which holds as well.
    digits = f"{math.floor(abs(value) * 10**decimals + Fraction(1, 2)):0{decimals + 1}d}"
    number = f"{digits[: len(digits) - decimals]}.{digits[len(digits) - decimals :]}".rstrip(".")
    return f"{'-' * (value < 0)}{'$' * token.text.startswith('$')}{number}{'%' * token.percent}"


def _is_whole(value: Fraction, decimals: int) -> bool:
    return bool(10**decimals % value.denominator == 0)


def _agrees(value: Fraction, result: list[Token]) -> bool:
    """Whether a result is the value, rounded as it is written; a percentage may be computed without its sign."""
    decimals = min(token.decimals for token in result if token.value is not None)
    rounded = decimals or not any(token.text in _OPERATORS for token in result[1:])
    half, written = Fraction(1, 2 * 10**decimals) if rounded else Fraction(0), value_of(result)
    return abs(value - written) <= half or (result[-1].percent and abs(value - 100 * written) <= 100 * half)


def _end_of(text: str, whole: bool) -> list[Token]:
    """The expression with which a text ends. Raises ``UnclearError`` where none does that is surely complete."""
    tokens = tokens_of(text)
    start = next((at + 1 for at in range(len(tokens) - 1, -1, -1) if not tokens[at].text), 0)
    found = tokens[_after_open(tokens, start) :]
    if not any(token.text in _OPERATORS for token in found[1:]):
        raise UnclearError
    if any(_in_brackets(found[at : at + 3]) for at in range(len(found))):
        raise UnclearError
    before = text[: found[0].start]
    if not before.strip():
        if not whole:
            raise UnclearError
    elif _joins(before, signed=found[0].text in _OPERATORS):
        raise UnclearError
    return found


def _joins(before: str, signed: bool) -> bool:
    """Whether what stands before an expression may belong to it."""
    glued, said = not before[-1].isspace(), before.rstrip()
    word = _LAST_WORD.search(said)
    if word is not None:
        return signed or glued or _COMPUTING.fullmatch(word[0]) is not None
    if glued and (said[-1] == "." or (len(said) > 1 and said[-2].isdigit())):
        return True
    return said[-1] not in _BEFORE or (signed and said[-1] not in ":(=,;")


def _after_open(tokens: list[Token], start: int) -> int:
    """Where the expression begins: after the last bracket that stays open."""
    opened = []
    for at in range(start, len(tokens)):
        if tokens[at].text == "(":
            opened.append(at)
        elif tokens[at].text == ")" and opened:
            opened.pop()
    return opened[-1] + 1 if opened else start


def _beginnings_of(text: str) -> list[list[Token]]:
    """What the result may be with which a text begins: a number that goes on as an expression may be either."""
    tokens = tokens_of(text)
    end = next((at for at, token in enumerate(tokens) if not token.text), len(tokens))
    if end < len(tokens) and _goes_on(text[tokens[end].start :]):
        raise UnclearError
    found = tokens[:end]
    if _in_brackets(found[:3]):
        raise UnclearError
    while found and found[-1].text == ")" and _closing(found) > 0:
        found.pop()
    value_of(found)
    first = 1 + (bool(found) and found[0].text in ("+", "-"))
    return [found, found[:first]] if found[first - 1].value is not None else [found]


def _in_brackets(tokens: list[Token]) -> bool:
    """Whether three tokens are a number alone in brackets: in books that is a loss."""
    return len(tokens) == 3 and (tokens[0].text, tokens[2].text) == ("(", ")") and tokens[1].value is not None


def _closing(tokens: list[Token]) -> int:
    return sum((token.text == ")") - (token.text == "(") for token in tokens)


def _goes_on(after: str) -> bool:
    """Whether what stands after a result may belong to it."""
    if after.startswith("..") or _REMAINDER.search(after[:_NEAR]):
        return True
    word = _FIRST_WORD.match(after)
    if word is None:
        return after[0] not in _AFTER
    return _COMPUTING.fullmatch(word[0]) is not None
