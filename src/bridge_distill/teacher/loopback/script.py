"""A script of faults that a user can write: rules in YAML or JSON, the same for a seed every time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from bridge_distill.errors import UserError, nearest
from bridge_distill.teacher.loopback.faults import KINDS, PLACES, Fault, places_of
from bridge_distill.teacher.providers import Request

WHEN = ("rate", "at", "every")
_SCALE = 1 << 64


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault, the kind of call that it is for, and which of them it befalls: by share, by number, or every so many.

    Numbers count the calls of a kind from 0. A rule without any of the three befalls every call.
    """

    fault: Fault
    call: str
    rate: float | None = None
    at: frozenset[int] | None = None
    every: int | None = None

    def befalls(self, number: int, draw: float) -> bool:
        """Whether the call of this number is hit; ``draw`` is uniform below 1."""
        if self.rate is not None:
            return draw < self.rate
        if self.at is not None:
            return number in self.at
        return self.every is None or (number + 1) % self.every == 0


@dataclass(frozen=True, slots=True)
class Script:
    """Rules in order, of which the first that befalls a call is followed. What happens follows from seed and number."""

    rules: Sequence[Rule]
    seed: int = 0

    def fault(self, number: int, request: Request) -> Fault | None:
        """What goes wrong with a question: a ``FaultFn``."""
        return self.calls(number, "ask")

    def calls(self, number: int, place: str) -> Fault | None:
        """What goes wrong with any call: a ``CallFaultFn``."""
        for index, rule in enumerate(self.rules):
            if rule.call == place and rule.befalls(number, self._draw(index, number)):
                return rule.fault
        return None

    def _draw(self, index: int, number: int) -> float:
        drawn = hashlib.sha256(f"{self.seed} {index} {number}".encode()).digest()[:8]
        return int.from_bytes(drawn, "big") / _SCALE


def read_script(path: Path) -> Script:
    """Read a script: a list of rules, or ``{seed: 1, rules: [...]}``; raises ``UserError`` that names the rule."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(str(path), f"cannot be read ({error.strerror})", "give the path of a fault script") from None
    except (yaml.YAMLError, ValueError):
        raise UserError(str(path), "is neither YAML nor JSON", "write a list of rules") from None
    if isinstance(tree, dict) and not set(tree) <= {"seed", "rules"}:
        raise UserError(str(path), "holds more than seed and rules", "write seed: 1 and rules: [...]")
    rules, seed = (tree.get("rules"), tree.get("seed", 0)) if isinstance(tree, dict) else (tree, 0)
    if not isinstance(rules, list) or not _whole(seed):
        raise UserError(str(path), "is no list of rules", "write one such as - {kind: status, status: 429, rate: 0.1}")
    return Script([_rule(entry, f"{path} rule {number}") for number, entry in enumerate(rules, start=1)], seed)


def _rule(entry: Any, place: str) -> Rule:
    if not isinstance(entry, dict):
        raise UserError(place, "is not a rule", "write one such as {kind: reset, billed: true, at: [3, 7]}")
    known = {field.name for field in fields(Fault)} | {"call", *WHEN}
    unknown = next((str(key) for key in entry if key not in known), None)
    if unknown is not None:
        raise UserError(place, f"unknown key {unknown!r}", nearest(unknown, known))
    kind = str(entry.get("kind"))
    if kind not in KINDS:
        raise UserError(place, f"unknown kind {kind!r}", nearest(kind, KINDS))
    call = str(entry.get("call", places_of(kind)[0]))
    if call not in places_of(kind):
        problem = f"{kind} cannot befall {call!r}" if call in PLACES else f"unknown call {call!r}"
        raise UserError(place, problem, nearest(call, places_of(kind)))
    return Rule(_fault(entry, place), call, **_when(entry, place))


def _fault(entry: dict[str, Any], place: str) -> Fault:
    given = {key: value for key, value in entry.items() if key not in ("call", *WHEN)}
    if isinstance(given.get("headers"), dict):
        given["headers"] = {str(name): str(value) for name, value in given["headers"].items()}
    try:
        return TypeAdapter(Fault).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{first['msg'][0].lower()}{first['msg'][1:]} (got {first['input']!r})"
        raise UserError(f"{place}, {first['loc'][0]}", message, "correct it") from None


def _when(entry: dict[str, Any], place: str) -> dict[str, Any]:
    given = {key: entry[key] for key in WHEN if entry.get(key) is not None}
    if len(given) > 1:
        raise UserError(place, f"has both {' and '.join(given)}", "keep one of rate, at and every")
    rate, at, every = (given.get(key) for key in WHEN)
    if rate is not None and (not isinstance(rate, (int, float)) or isinstance(rate, bool) or not 0 <= rate <= 1):
        raise UserError(f"{place}, rate", f"{rate!r} is no share", "write one from 0 to 1")
    if at is not None and (not isinstance(at, list) or not all(_whole(n) and n >= 0 for n in at)):
        raise UserError(f"{place}, at", f"{at!r} is no list of numbers from 0", "write one such as [3, 7]")
    if every is not None and (not _whole(every) or every < 1):
        raise UserError(f"{place}, every", f"{every!r} is no count", "write one such as 50")
    return {"at": frozenset(at)} if at is not None else given


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
