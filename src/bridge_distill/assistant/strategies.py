"""Strategies for flat rationales, at no cost: what the rationales of one kind of question have in common."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from itertools import chain

from bridge_distill import prompts
from bridge_distill.abstraction import KindsFn, leak, masked, names
from bridge_distill.answers import options_of
from bridge_distill.records import Question, Rationale
from bridge_distill.traces import STRATEGY, Trace, one_line, read, render, sentences

COMMON = "strategy of its kind of question"
NOTHING_COMMON = "flat: its kind of question has no common plan"
_SHARE = 0.8
_FEWEST = 3
_ALONE = 6
_LONGEST = 40
_SIGNS = " .,:;=$(-"
_OPENING = ("plan", "first", "second", "third", "next", "then", "finally", "so", "thus", "therefore", "hence")
_OPEN_ENDS = (
    *("is", "are", "was", "were", "of", "the", "a", "to", "for", "at", "by", "and", "equals"),
    *("against", "from", "than", "with", "in", "on"),
)


def with_strategies(
    questions: Mapping[str, Question], rows: Sequence[Rationale], kinds: KindsFn, seed: int
) -> list[Rationale]:
    """The rationales, flat ones with a strategy where their kind of question has one; ``note`` says so or why not.

    A kind's strategy is the commonest that the teacher gave, else a plan made of what at least four in five of its
    rationales say before any number or name; where answers come from a closed set, four in five to each answer.
    """
    asked = [prompts.body(questions[row.question_id]) for row in rows]
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index, kind in enumerate(kinds([masked(text) for text in asked], seed)):
        groups[kind].append(index)
    found = list(rows)
    for group in groups.values():
        strategy = _strategy([rows[index] for index in group], questions)
        for index in group:
            if rows[index].strategy is None:
                found[index] = _laid_out(rows[index], strategy, asked[index])
    return found


def common_plan(explanations: Sequence[Sequence[str]]) -> str | None:
    """What nearly all explanations of each group say without their numbers and names, in their order, as one sentence.

    None where that is too little, or too much for a strategy: a few words of one sentence are a finding, not a plan.
    """
    known = names("\n".join(chain.from_iterable(explanations)))
    said = [[_skeletons(text, known) for text in group] for group in explanations]
    whole = list(chain.from_iterable(said))
    shared = [skeleton for skeleton in dict.fromkeys(chain.from_iterable(whole)) if _is_common(skeleton, said)]
    fewest = _ALONE if len(shared) == 1 else _FEWEST
    if len(whole) < _FEWEST or not fewest <= len(" ".join(shared).split()) <= _LONGEST:
        return None
    plan = "; then ".join(sorted(shared, key=lambda skeleton: _place(skeleton, whole)))
    return f"{plan[0].upper()}{plan[1:]}."


def _is_common(skeleton: str, said: Sequence[Sequence[Sequence[str]]]) -> bool:
    return all(sum(skeleton in one for one in group) >= _SHARE * len(group) for group in said)


def _place(skeleton: str, said: Sequence[Sequence[str]]) -> tuple[float, str]:
    """Where it stands on average, from 0 to 1; equal places are ordered by wording."""
    places = [one.index(skeleton) / len(one) for one in said if skeleton in one]
    return sum(places) / len(places), skeleton


def _strategy(rows: Sequence[Rationale], questions: Mapping[str, Question]) -> str | None:
    taught = Counter(row.strategy for row in rows if row.strategy is not None)
    if taught:
        return max(sorted(taught), key=lambda strategy: taught[strategy])
    # What only the reasons for one answer have in common is a conclusion, not a plan.
    groups: defaultdict[str | None, list[str]] = defaultdict(list)
    for row in rows:
        closed = bool(options_of(questions[row.question_id]))
        groups[row.answer if closed else None].append(prompts.explanation(row.text))
    if len(groups) == 1 and None not in groups:
        return None
    return common_plan(list(groups.values()))


def _laid_out(row: Rationale, strategy: str | None, question: str) -> Rationale:
    steps = _steps(prompts.explanation(row.text), row.answer or "")
    if strategy is None or row.answer is None or not steps or leak(strategy, question) is not None:
        return replace(row, note=NOTHING_COMMON)
    trace = Trace(strategy, steps, one_line(row.answer))
    return replace(row, text=render(trace), strategy=strategy, note=COMMON)


def _steps(explanation: str, answer: str) -> tuple[str, ...]:
    """Those of a trace whose own strategy was not taken, else the sentences."""
    own = read(explanation, answer) if answer and explanation.startswith(STRATEGY) else None
    return own.trace.steps if own is not None and own.trace is not None else tuple(sentences(explanation))


def _skeletons(explanation: str, known: Set[str]) -> list[str]:
    """What each sentence says before its first number or name, where that is at least two words.

    Capitals do not tell whether its first word is a name: ``known`` are those that are one elsewhere.
    """
    found = []
    for sentence in sentences(explanation):
        words = masked(sentence).partition("#")[0].strip(_SIGNS).split()
        while words and words[0].lower().strip(_SIGNS) in _OPENING:
            words = words[1:]
        while words and words[-1] in _OPEN_ENDS:
            words = words[:-1]
        if len(words) > 1 and words[0].strip(_SIGNS) not in known:
            found.append(f"{words[0][0].lower()}{' '.join(words)[1:]}".strip(_SIGNS))
    return list(dict.fromkeys(found))
