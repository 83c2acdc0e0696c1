"""The words of the legal practice task: names, states, claims and the wordings of its rationale."""

from __future__ import annotations

from dataclasses import dataclass


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


STATES = _words(
    "Ohio, Iowa, Texas, Utah, Maine, Florida, Georgia, Kansas, Nevada, Oregon, Alaska, Arizona, Colorado, Delaware, "
    "Idaho, Illinois, Indiana, Kentucky, Michigan, Montana, Nebraska, Vermont, Virginia, Wisconsin, Alabama, Arkansas, "
    "California, Connecticut, Hawaii, Louisiana, Maryland, Massachusetts, Minnesota, Mississippi, Missouri, Oklahoma, "
    "Pennsylvania, Tennessee, Washington, Wyoming, New York, New Jersey, New Mexico, New Hampshire, North Carolina, "
    "North Dakota, South Carolina, South Dakota, West Virginia, Rhode Island"
)
FIRST = _words(
    "Ana, Ben, Cara, Dan, Eva, Finn, Gina, Hugo, Iris, Jack, Kate, Leo, Mia, Noah, Olga, Paul, Rosa, Sam, Tina, Umar, "
    "Vera, Will, Yara, Zoe, Amir, Beth, Carl, Dora, Emil, Faye, Greg, Hana"
)
LAST = _words(
    "Ruiz, Katz, Lee, Moore, Park, Stone, Reed, Cole, Diaz, Ford, Gray, Hall, Kim, Lopez, Mann, Nash, Owen, Price, "
    "Quinn, Ross, Shaw, Todd, Vance, West, Young, Adams, Brown, Clark, Evans, Flores, Hayes, Wong"
)
FIRMS = [
    f"{first} {last}" for first in ("Orion", "Summit", "Delta", "Harbor") for last in ("Freight", "Foods", "Steel")
]
CLAIMS = _words(
    "fraud, negligence, defamation, trespass, battery, breach of contract, wrongful eviction, medical malpractice, "
    "unpaid wages, a defective product, property damage, breach of warranty"
)
ASKS = (
    "Does a federal court have diversity jurisdiction?",
    "Is there diversity jurisdiction?",
    "Can a federal court hear the case on the ground of diversity jurisdiction?",
)


@dataclass(frozen=True)
class Phrasing:
    """One way to word the rationale; each sentence is used at most once."""

    citizen: str
    differ: str
    apart: str
    same: str
    over: str
    under: str
    met: str
    state_fails: str
    sum_fails: str
    both_fail: str


PHRASINGS = (
    Phrasing(
        citizen="{states}",
        differ="Different states, so diverse.",
        apart="No state on both sides, so diverse.",
        same="{state} on both sides, so not diverse.",
        over="{sum} is more than $75,000, so enough.",
        under="{sum} is at most $75,000, so not enough.",
        met="Diverse and enough.",
        state_fails="Not diverse.",
        sum_fails="Not enough.",
        both_fail="Neither diverse nor enough.",
    ),
    Phrasing(
        citizen="{name} is from {states}",
        differ="The states differ, so the parties are diverse.",
        apart="No plaintiff shares a state with a defendant, so the parties are diverse.",
        same="{a} and {b} share the state {state}, so the parties are not diverse.",
        over="{sum} is more than $75,000.",
        under="{sum} is not more than $75,000.",
        met="Both tests are met.",
        state_fails="The state test fails.",
        sum_fails="The sum test fails.",
        both_fail="Both tests fail.",
    ),
    Phrasing(
        citizen="{name} is a citizen of {states}",
        differ="These are different states, so there is diversity.",
        apart="Every plaintiff differs in state from every defendant, so there is diversity.",
        same="{a} and {b} are both of {state}, so there is no diversity.",
        over="The sum of {sum} is above $75,000.",
        under="The sum of {sum} is not above $75,000.",
        met="So the court has jurisdiction.",
        state_fails="Without diversity the court has no jurisdiction.",
        sum_fails="With too small a sum the court has no jurisdiction.",
        both_fail="So the court has no jurisdiction.",
    ),
    Phrasing(
        citizen="{name}: {states}",
        differ="Different states, so diverse.",
        apart="No state on both sides, so diverse.",
        same="{a} and {b}: same state {state}, so not diverse.",
        over="{sum} exceeds $75,000, so the amount is enough.",
        under="{sum} does not exceed $75,000, so the amount is not enough.",
        met="Diverse and enough, so there is jurisdiction.",
        state_fails="Not diverse, so there is no jurisdiction.",
        sum_fails="Not enough, so there is no jurisdiction.",
        both_fail="Neither diverse nor enough, so there is no jurisdiction.",
    ),
)
