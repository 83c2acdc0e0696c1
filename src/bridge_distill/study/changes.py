"""Whether what changes the cells of a study is heard: overrides in its file, and those of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bridge_distill.config import Study
from bridge_distill.errors import UserError
from bridge_distill.runfile import overridden

# What a study says itself, by the setting that says it.
OWN = {"name": "name", "runs": "where", "seed": "seeds", "arms": "arms"}
# What of a data set decides the training pool alone: arms are paired on the same test questions, graded alike.
POOL = ("data.train", "data.limit_train", "data.columns.rationale", "data.columns.expert_answer", "data.columns.domain")
CAPPED = ("budget.usd", "budget.input_tokens", "budget.output_tokens", "budget.study")


def check_changes(study: Study) -> None:
    """Raise ``UserError`` for an override of an arm or a data set that the study would leave unheard.

    So for one that leaves an arm with nothing to be paired with.
    """
    named = [(f"arms.{name}", changes, OWN) for name, changes in study.arms.items()]
    named += [(f"data.{name}", changes, {**OWN, "budget": "budgets"}) for name, changes in study.data.items()]
    for place, changes, own in named:
        for key in changes:
            if (section := key.split(".")[0]) in own:
                cure = f"leave it out, and use {own[section]}"
                raise UserError(f"{place}.{key}", "is said by the study itself", cure)
            if section == "store":
                cure = "leave it out, and set store in the base run"
                raise UserError(f"{place}.{key}", "keeps books that the cap of the study does not see", cure)

    for name, changes in study.arms.items():
        for key, _ in _leaves(changes):
            if key.split(".")[0] == "data" and key not in POOL:
                problem = "makes other test questions, or other grades, than the other arms have"
                raise UserError(f"arms.{name}.{key}", problem, "leave it out, and use data, where each set is a panel")


def check_overrides(study: Study, overrides: Sequence[str]) -> None:
    """Raise ``UserError`` for an override of the base run that some cell would leave unheard.

    An arm without a section leaves nothing in it unheard: what tunes the assistant is no business of ``direct``.
    """
    said = list(_said(study))
    for override in overrides:
        for key, _ in _leaves(overridden({}, [override])):
            for place, other, value in said:
                above = key.startswith(f"{other}.") and value is not None
                if key == other or above or other.startswith(f"{key}."):
                    problem = f"would leave some cells as they are, for the study says {place}"
                    raise UserError(f"--set {override}", problem, "change it there")


def _said(study: Study) -> Iterator[tuple[str, str, Any]]:
    """Settings that the study says for some cells or all: where, which, and what."""
    own = {**OWN, **dict.fromkeys(CAPPED, "cap")}
    if study.where is None:
        del own["runs"]
    if study.budgets:
        own["budget.queries"] = "budgets"
    yield from ((place, key, place) for key, place in own.items())
    for kind, named in (("arms", study.arms), ("data", study.data)):
        for name, changes in named.items():
            yield from ((f"{kind}.{name}.{key}", key, value) for key, value in _leaves(changes))


def _leaves(tree: Mapping[str, Any], below: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its dotted key."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{below}{key}.")
        else:
            yield f"{below}{key}", value
