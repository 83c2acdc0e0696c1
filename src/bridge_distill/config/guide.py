"""How a model is guided while it writes: interventions at test time, each off by default (docs/guidance.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge_distill.config.types import Positive
from bridge_distill.section import Section

Temperature = Annotated[float, Field(gt=0, le=2)]
Count = Annotated[int, Field(ge=0)]


class Vote(Section):
    """Self-consistency: several explanations of a question, and the answer that most of them come to.

    ``weighted``: a vote counts as much as its writer was sure of it, the geometric mean of its tokens' probabilities.
    """

    samples: Annotated[int, Field(ge=2)] = 5
    temperature: Temperature = 0.7
    weighted: bool = False


class Guide(Section):
    """Interventions while a model explains and answers.

    ``strategy`` is the model's own as it writes it, or given before it writes: that of the ``nearest`` paid trace, or
    the commonest of its kind of question (``cluster``). An explanation of fewer than ``floor`` tokens goes on after
    ``cue``, at most ``cues`` times; one that reaches ``ceiling`` tokens is made to answer, in at most
    ``answer_tokens``. A step that is computed wrongly is taken back at most ``retries`` times: it is drawn again at
    ``retry_temperature``, or, with ``state_results``, the text goes on from the right result.
    """

    strategy: Literal["own", "nearest", "cluster"] = "own"
    floor: Count = 0
    cue: Annotated[str, Field(pattern=r"\S")] = "Wait,"
    cues: Positive = 2
    ceiling: Positive | None = None
    answer_tokens: Positive = 24
    retries: Count = 0
    retry_temperature: Temperature = 0.7
    state_results: bool = False
    vote: Vote | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Guide:
        if self.ceiling is not None and self.floor > self.ceiling:
            raise ValueError(f"floor {self.floor} is above ceiling {self.ceiling}: no explanation holds to both")
        if self.state_results and not self.retries:
            raise ValueError("state_results needs retries: it says how a failed step is put right, retries how often")
        return self
