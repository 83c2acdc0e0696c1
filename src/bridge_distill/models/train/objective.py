"""What a training minimises: a loss for every token that is learnt, out of its logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Objective(Protocol):
    """A loss of each learnt token; the training takes their mean by the tokens' weights.

    Where several processes train, it is pickled once for each of them: hold paths of large data, not the data.
    """

    def columns(self, example: int) -> Mapping[str, NDArray[np.generic]]:
        """What the loss needs beside the tokens of an example (its place in the list given to ``fine_tune``).

        Arrays of one entry for each token of the completion and its end, (tokens, ...), read when a step comes to
        them. Entries of tokens of weight 0 are dropped.
        """

    def prepared(self, network: Any, batch: dict[str, Any], step: int) -> dict[str, Any]:
        """What is learnt in a step (from 0) in place of the collator's ``batch``; by default that itself.

        ``network`` is the one that is trained, as it is before the step.
        """
        return batch

    def losses(self, logits: Any, targets: Any, columns: Mapping[str, Any]) -> Any:
        """The loss (n,) in nats of ``n`` tokens, from float32 ``logits`` (n, vocabulary) and token ids (n,).

        ``columns`` are those of all examples in the batch one after the other, as tensors (n, ...).
        """


class Likelihood(Objective):
    """The plain one: the negative log-likelihood of each token."""

    def columns(self, example: int) -> Mapping[str, NDArray[np.generic]]:
        """Nothing beside the tokens."""
        return {}

    def losses(self, logits: Any, targets: Any, columns: Mapping[str, Any]) -> Any:
        """Cross-entropy of each token (n,)."""
        import torch

        return torch.nn.functional.cross_entropy(logits, targets, reduction="none")
