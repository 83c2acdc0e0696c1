"""A reply under way: what was given, what was written, and what was done to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge_distill.models.generator import Generation

# What may be done to a reply, in the order in which figures name it.
GIVEN, CUED, FORCED, REDRAWN, STATED, OVERRULED = "strategy", "cue", "answer", "retry", "result", "vote"
ACTS = (GIVEN, CUED, FORCED, REDRAWN, STATED, OVERRULED)


@dataclass
class Draft:
    """One sample of a reply; ``place`` is its position among all samples of its list.

    ``given`` stands before ``own``, which the model wrote but for cues, answer marks and stated results; ``thought``
    are the tokens of ``own`` before a forced answer, ``spent`` all that were ever written for it. ``acts`` names each
    intervention in order. ``answered``: its answer was forced, nothing follows.
    """

    place: int
    prompt: str
    given: str = ""
    own: str = ""
    thought: int = 0
    spent: int = 0
    writes: int = 0
    finished: bool = False
    answered: bool = False
    acts: list[str] = field(default_factory=list)
    _log_probability: float = 0.0

    @property
    def text(self) -> str:
        """The reply as a reader sees it."""
        return self.given + self.own

    @property
    def log_probability(self) -> float:
        """Mean over all tokens that were written for it, those taken back included, in nats."""
        return self._log_probability / max(self.spent, 1)

    def take(self, written: Generation, room: int) -> None:
        """Add what was written with ``room`` for it."""
        self.own += written.text
        self.finished = written.finished
        self.spent += written.tokens
        self.writes += 1
        self._log_probability += written.log_probability * written.tokens
        if not self.answered:
            # One that was cut off has used all of its room: so every draft ends, whatever an engine counts.
            self.thought += written.tokens if written.finished else room

    def rewind(self, own: str, tokens: int, act: str) -> None:
        """Go back to ``own`` of so many tokens, from which it is to go on."""
        self.own, self.thought, self.finished = own, tokens, False
        self.acts.append(act)
