"""The rows of the embeddings: only those of kept tokens, and one matrix for input and output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bridge_distill.errors import UserError
from bridge_distill.models.load import Model
from bridge_distill.models.shrink.vocabulary import trim

_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id")


def trim_vocabulary(model: Model, texts: Iterable[str], common: int, place: str) -> None:
    """Trim tokenizer and embeddings in place; raises ``UserError`` for a tokenizer that cannot be trimmed.

    What a chat template puts around a prompt may fall into pieces: students learnt better so (docs/experiments.md).
    """
    from tokenizers import Tokenizer

    try:
        trimmed = trim(model.tokenizer, texts, common)
    except ValueError as error:
        raise UserError(f"{place}.vocabulary", str(error), "set it to null for this base") from error
    rows = model.network.get_input_embeddings().weight.shape[0]
    if trimmed.kept[-1] >= rows:
        problem = f"the tokenizer has a token {trimmed.kept[-1]}, the model only {rows} rows"
        raise UserError(f"{place}.vocabulary", problem, "take model and tokenizer from one source")
    new_id = {old: new for new, old in enumerate(trimmed.kept)}
    _keep_rows(model.network, trimmed.kept)
    model.tokenizer._tokenizer = Tokenizer.from_str(trimmed.tokenizer_json)
    for config in (model.network.config, model.network.generation_config):
        for name in _TOKEN_IDS:
            if getattr(config, name, None) is not None:
                setattr(config, name, _renumbered(getattr(config, name), new_id))
    # The row of the old number is another token's now, which would never be learnt.
    model.network.get_input_embeddings().padding_idx = model.network.config.pad_token_id


def tie(network: Any) -> None:
    """Let the output layer use the input's embeddings, which every layer has learnt to read."""
    network.config.tie_word_embeddings = True
    network.tie_weights()


def _keep_rows(network: Any, kept: Sequence[int]) -> None:
    import torch

    rows = torch.tensor(kept)
    tied = network.config.tie_word_embeddings
    old_in, old_out = network.get_input_embeddings().weight.data, network.get_output_embeddings().weight.data
    network.resize_token_embeddings(len(rows))
    network.get_input_embeddings().weight.data.copy_(old_in[rows.to(old_in.device)])
    if not tied:
        network.get_output_embeddings().weight.data.copy_(old_out[rows.to(old_out.device)])


def _renumbered(old: int | list[int], new_id: dict[int, int]) -> int | list[int]:
    """An id, or those of a list that are still there."""
    return [new_id[one] for one in old if one in new_id] if isinstance(old, list) else new_id[old]
