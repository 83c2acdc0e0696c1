"""What a loaded model writes after plain prompts."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill.models.engines.transformers import Transformers
from bridge_distill.models.generator import Asked, Decoding, Generation
from bridge_distill.models.load import Model


def write_after(
    model: Model,
    prompts: Sequence[str],
    decoding: Decoding,
    batch_tokens: int = 100_000,
    seed: int = 0,
    first: int = 0,
    begun: str = "",
) -> list[list[Generation]]:
    asked = [Asked(prompt, begun) for prompt in prompts]
    return Transformers(model, batch_tokens).write(asked, decoding, seed, positions=range(first, first + len(asked)))
