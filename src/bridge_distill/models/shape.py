"""How many weights a model has, and a cut leaves, from its shape alone: nothing is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from bridge_distill.config import Shrink

# Tokens that a task's own texts need beside the common ones: 500 to 1,800 of the sets that were tried.
OWN_TOKENS = 1000


@dataclass(frozen=True)
class Shape:
    """A decoder whose embeddings are tied; ``keys`` is how many key and value heads there are.

    Each of its ``layers`` has ``heads`` that together are ``hidden`` wide, and a gated MLP of ``mlp`` units.
    """

    hidden: int
    layers: int
    mlp: int
    heads: int
    keys: int
    vocabulary: int

    def weights(self, shrink: Shrink | None = None) -> int:
        """Weights of the whole model or of what a cut leaves, exact but for a vocabulary that is trimmed to a task."""
        shrink = shrink or Shrink()
        if shrink.size is not None:
            return shrink.size
        kept = len(shrink.layers) if isinstance(shrink.layers, list) else shrink.layers or self.layers
        mlp = max(1, round(shrink.mlp * self.mlp)) if isinstance(shrink.mlp, float) else shrink.mlp or self.mlp
        heads = shrink.heads or self.heads
        attention = 2 * self.hidden * self.hidden * (heads + heads * self.keys // self.heads) // self.heads
        tokens = self.vocabulary
        if shrink.vocabulary == "task":
            tokens = min(tokens, shrink.common_tokens + OWN_TOKENS)
        return kept * (attention + 3 * self.hidden * mlp + 2 * self.hidden) + self.hidden + tokens * self.hidden
