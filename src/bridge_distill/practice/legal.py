"""Legal practice: does a federal court have diversity jurisdiction (28 U.S.C. 1332)?

Two tests: complete diversity of citizenship (no plaintiff shares a state with a defendant; Strawbridge
v. Curtiss, 7 U.S. 267) and an amount in controversy above $75,000. A corporation is a citizen of the
state of its incorporation and of its main office. Claims are added where one plaintiff sues one
defendant, or where the parties claim jointly. Difficulty adds parties, claims to sum up, sums close to
the threshold, corporations and sentences that do not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from bridge_distill.practice import practice_tasks
from bridge_distill.practice._legal_words import ASKS, CLAIMS, FIRMS, FIRST, LAST, PHRASINGS, STATES, Phrasing
from bridge_distill.traces import Trace

THRESHOLD = 75_000
STRATEGY = (
    "Name the states of both sides and see whether one stands on both, then add up the sums and compare the total "
    "with the threshold; both tests must be met."
)
_STATE = "|".join(sorted(STATES, key=len, reverse=True))
_NAME = r"[A-Z][a-z]+ [A-Z][a-z]+"
_PARTY = re.compile(
    rf"({_NAME})(?: of|, a citizen of|, domiciled in|, incorporated in) ({_STATE})"
    rf"(?: with its main office in ({_STATE}))?"
)
_SUES = re.compile(r"\bsues?\b|\bbrings? suit against\b")
_SUM = re.compile(r"\$(\d{1,3}(?:,\d{3})*)")


@dataclass(frozen=True)
class Party:
    """A side's member, and the states it is a citizen of."""

    name: str
    states: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """What decides the question: who sues whom, and for which sums in dollars."""

    plaintiffs: list[Party]
    defendants: list[Party]
    sums: list[int]

    def shared(self) -> tuple[Party, Party, str] | None:
        """A plaintiff and a defendant of the same state, and that state."""
        for plaintiff in self.plaintiffs:
            for defendant in self.defendants:
                for state in plaintiff.states:
                    if state in defendant.states:
                        return plaintiff, defendant, state
        return None


class Legal:
    """Answers are balanced: half yes, a quarter no for a shared state, a quarter no for the sum."""

    form = "yes_no"

    def draw(self, rng: Random, variant: int, difficulty: float) -> tuple[str, str]:
        """Variants 0 and 1 are yes, 2 shares a state, 3 asks too little."""
        plaintiffs, defendants = _parties(rng, difficulty, share=variant == 2)
        sums = _split(rng, _total(rng, difficulty, enough=variant != 3), difficulty)
        text = _tell(rng, Case(plaintiffs, defendants, sums), difficulty)
        return text, "yes" if variant < 2 else "no"

    def solve(self, text: str, phrasing: int, error: bool) -> str | None:
        """See ``PracticeTask``."""
        case = read_case(text)
        if case is None:
            return None
        steps, answer = _explain(case, phrasing, error)
        return f"{' '.join(steps)}\nAnswer: {answer}"

    def trace(self, text: str, phrasing: int, error: bool) -> Trace | None:
        """See ``PracticeTask``."""
        case = read_case(text)
        if case is None:
            return None
        steps, answer = _explain(case, phrasing, error)
        return Trace(STRATEGY, tuple(steps), answer)


def read_case(text: str) -> Case | None:
    """Read the case back out of a question; only the sentence in which someone sues matters."""
    if "diversity jurisdiction" not in text:
        return None
    for sentence in re.split(r"(?<=[.?!])\s+", text):
        verb = _SUES.search(sentence)
        if verb:
            before, after = sentence[: verb.start()], sentence[verb.end() :]
            case = Case(_read_parties(before), _read_parties(after), _read_sums(sentence))
            return case if case.plaintiffs and case.defendants and case.sums else None
    return None


def _read_parties(text: str) -> list[Party]:
    return [Party(name, tuple(dict.fromkeys(s for s in states if s))) for name, *states in _PARTY.findall(text)]


def _read_sums(text: str) -> list[int]:
    return [int(digits.replace(",", "")) for digits in _SUM.findall(text)]


def _parties(rng: Random, difficulty: float, share: bool) -> tuple[list[Party], list[Party]]:
    largest = 1 + round(2 * difficulty)
    left, right = rng.randint(1, largest), rng.randint(1, largest)
    firsts, lasts = rng.sample(FIRST, left + right), rng.sample(LAST, left + right)
    names = [f"{first} {last}" for first, last in zip(firsts, lasts, strict=True)]
    states = rng.sample(STATES[: 24 + round((len(STATES) - 24) * difficulty)], left + right + 1)
    plaintiffs = [Party(name, (state,)) for name, state in zip(names[:left], states, strict=False)]
    defendants = [Party(name, (state,)) for name, state in zip(names[left:], states[left:], strict=False)]
    if rng.random() < difficulty - 0.5:
        defendants[-1] = Party(rng.choice(FIRMS), (defendants[-1].states[0], states[-1]))
    if share:
        place = rng.randrange(right)
        home = rng.choice(plaintiffs).states[0]
        defendants[place] = Party(defendants[place].name, (*defendants[place].states[:-1], home))
    return plaintiffs, defendants


def _total(rng: Random, difficulty: float, enough: bool) -> int:
    if enough:
        return 1000 * rng.randint(90 - round(14 * difficulty), 900 - round(750 * difficulty))
    return 1000 * rng.randint(12 + round(40 * difficulty), 60 + round(15 * difficulty))


def _split(rng: Random, total: int, difficulty: float) -> list[int]:
    parts = rng.randint(1, 1 + round(2 * difficulty))
    cuts = sorted(rng.sample(range(1000, total, 1000), parts - 1))
    return [high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True)]


def _tell(rng: Random, case: Case, difficulty: float) -> str:
    style = rng.choice((" of {}", ", a citizen of {},", ", domiciled in {},")) if difficulty >= 0.2 else " of {}"
    plaintiffs, defendants = _listed(case.plaintiffs, style), _listed(case.defendants, style)
    claims = rng.sample(CLAIMS[: 6 + round(6 * difficulty)], len(case.sums))
    jointly = "jointly " if len(case.plaintiffs) + len(case.defendants) > 2 else ""
    told = [(claim, f"${part:,}") for claim, part in zip(claims, case.sums, strict=True)]
    many = len(case.plaintiffs) > 1
    sentence = (_asking, _seeking, _claiming)[rng.randrange(3 if difficulty >= 0.2 else 2)]
    main = sentence(plaintiffs, defendants, many, jointly, told).replace(",,", ",").replace(", ,", ",")
    idle = [_idle(rng, case, difficulty) for _ in range(rng.randint(0, round(2 * difficulty)))]
    sentences = [*idle, main]
    rng.shuffle(sentences)
    ask = ASKS[0] if difficulty < 0.2 else rng.choice(ASKS)
    return " ".join([*sentences, ask])


def _listed(parties: list[Party], style: str) -> str:
    told = [
        party.name + style.format(party.states[0])
        if len(party.states) == 1
        else f"{party.name}, incorporated in {party.states[0]} with its main office in {party.states[1]},"
        for party in parties
    ]
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def _asking(left: str, right: str, many: bool, jointly: str, told: list[tuple[str, str]]) -> str:
    claims = ", and ".join(f"for {claim}, asking {jointly}for {sum_}" for claim, sum_ in told)
    return f"{left} {'sue' if many else 'sues'} {right} {claims}."


def _seeking(left: str, right: str, many: bool, jointly: str, told: list[tuple[str, str]]) -> str:
    claims = " and ".join(f"{sum_} for {claim}" for claim, sum_ in told)
    return f"{left} {'bring' if many else 'brings'} suit against {right}, {jointly}seeking {claims}."


def _claiming(left: str, right: str, many: bool, jointly: str, told: list[tuple[str, str]]) -> str:
    claims = " and ".join(claim for claim, _ in told)
    sums = " plus ".join(sum_ for _, sum_ in told)
    return f"Claiming {claims}, {left} {'sue' if many else 'sues'} {right} {jointly}for {sums}."


def _idle(rng: Random, case: Case, difficulty: float) -> str:
    party = rng.choice([*case.plaintiffs, *case.defendants]).name
    state = rng.choice(STATES)
    worth = f"${1000 * rng.randint(20, 900):,}"
    return rng.choice(
        (
            f"The events took place in {state}.",
            f"A witness lives in {state}.",
            f"{party} owns a house in {state} worth {worth}.",
            f"The lawyer of {party} has an office in {state}.",
            f"{party} first offered to settle for {worth}.",
        )
    )


def _explain(case: Case, phrasing: int, error: bool) -> tuple[list[str], str]:
    """The steps of a rationale, a sentence or two each, and its answer."""
    words = PHRASINGS[phrasing % len(PHRASINGS)]
    total = sum(case.sums)
    diverse, enough = case.shared() is None, total > THRESHOLD
    if error:
        diverse, enough = _mistake(diverse, enough, phrasing)
    verdict = {(True, True): words.met, (True, False): words.sum_fails, (False, True): words.state_fails}
    steps = [
        _citizens(case, words),
        _diversity(case, words, diverse),
        *([" + ".join(f"${part:,}" for part in case.sums) + f" = ${total:,}."] if len(case.sums) > 1 else []),
        (words.over if enough else words.under).format(sum=f"${total:,}"),
        verdict.get((diverse, enough), words.both_fail),
    ]
    return steps, "yes" if diverse and enough else "no"


def _mistake(diverse: bool, enough: bool, phrasing: int) -> tuple[bool, bool]:
    if diverse and enough:
        return (False, True) if phrasing % 2 else (True, False)
    return True, True


def _citizens(case: Case, words: Phrasing) -> str:
    told = [
        words.citizen.format(name=party.name, states=" and ".join(party.states))
        for party in (*case.plaintiffs, *case.defendants)
    ]
    return f"{', '.join(told[:-1])} and {told[-1]}."


def _diversity(case: Case, words: Phrasing, diverse: bool) -> str:
    if diverse:
        pair = len(case.plaintiffs) == len(case.defendants) == 1
        return words.differ if pair else words.apart
    first = case.plaintiffs[0]
    plaintiff, defendant, state = case.shared() or (first, case.defendants[0], first.states[0])
    return words.same.format(a=plaintiff.name, b=defendant.name, state=state)


practice_tasks.register("legal")(Legal())
