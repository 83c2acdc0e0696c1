"""A screen of every selector: the assistant's last layers learn the expert's rationales for the chosen questions.

Every method is screened at two budgets on a mixed pool; the best three and ``bridge`` get every set and budget.
All texts pass the lower layers once; a cell then tunes the last three on their states, in seconds, and is
tested by the loss of the expert's rationales and answers to held-out development questions. It ranks methods
for ``selection_tuned.py``, which tunes the assistant as a run does and reads what it writes.

    [BRIDGE_DATA=folder] python selection_screen.py [--quick] [--minutes N] [--worker 1/2] [--only WORD] [--work FOLDER]
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

import experiment
from bases import shallow
from bridge_distill import prompts
from bridge_distill.config import Compute, Shrink
from bridge_distill.models.batches import batches
from bridge_distill.models.load import load
from bridge_distill.models.shrink import cut
from bridge_distill.selection.contract import selectors
from cells import Cell, cells
from selection_sets import MIXED, VARIANTS, Material, Sizes, chosen, prepare, rationale

LAYERS, EPOCHS, BATCH, RATE, TESTED = 3, 4, 2, 5e-4, 100

METHODS = ["random", *(name for name in selectors.names() if name != "random"), *VARIANTS]
BEST = ("random", "bridge", "stratified", "typical", "k_means")
SETS = (MIXED, "legal_diversity", "svamp_palm")
FULL = [(name, share) for share in (0.05, 0.02, 0.01, 0.10, 0.20) for name in SETS]
SEEDS = range(5)


class Text:
    """A prompt and its completion after the lower layers: states (tokens, width), and the completion's token ids."""

    def __init__(self, states: Any, completion: Sequence[int]) -> None:
        self.states, self.completion = states, completion


class Top:
    """The assistant's last layers, and every text of a set as they get it."""

    def __init__(self, material: Material, batch_tokens: int) -> None:
        import torch

        model = load(material.sizes.base, Compute(), "assistant", trained=True)
        asked = [prompts.local(question) for question in material.questions]
        told = [rationale(question) for question in material.questions]
        cut(model, Shrink(vocabulary="task"), [*asked, *told], "assistant.shrink")
        heads = [model.prompt_ids(text) for text in asked]
        end = model.tokenizer.eos_token_id
        tails = [[*model.tokenizer(text, add_special_tokens=False)["input_ids"], end] for text in told]
        network = model.network.eval()
        top = copy.deepcopy(network.model)
        top.layers = top.layers[-LAYERS:]
        network.model.layers, network.model.norm = network.model.layers[:-LAYERS], torch.nn.Identity()
        self.texts: dict[int, Text] = {}
        for rows in batches([len(h) + len(t) for h, t in zip(heads, tails, strict=True)], batch_tokens):
            ids, mask = _right_padded([heads[row] + tails[row] for row in rows], end)
            with torch.inference_mode():
                states = network.model(input_ids=ids, attention_mask=mask).last_hidden_state.half()
            for row, found in zip(rows, states, strict=True):
                self.texts[row] = Text(found[: len(heads[row]) + len(tails[row])].clone(), tails[row])
        self.top, self.head = top, network.get_output_embeddings().requires_grad_(False)

    def loss(self, top: Any, rows: Sequence[int]) -> Any:
        """Mean loss in nats of each completion's tokens, shape (rows,)."""
        import torch

        texts = [self.texts[row] for row in rows]
        states = torch.nn.utils.rnn.pad_sequence([text.states.float() for text in texts], batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(text.states)) for text in texts], batch_first=True)
        found = top(inputs_embeds=states, attention_mask=mask, use_cache=False).last_hidden_state
        losses = []
        for text, state in zip(texts, found, strict=True):
            ends, many = len(text.states), len(text.completion)
            logits = self.head(state[ends - many - 1 : ends - 1])
            losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(text.completion)))
        return torch.stack(losses)

    def learn(self, rows: Sequence[int], seed: int) -> Any:
        """A copy of the layers, tuned on some texts."""
        import torch

        torch.manual_seed(seed)
        top, draw = copy.deepcopy(self.top).train(), np.random.default_rng(seed)
        order = np.concatenate([draw.permutation(rows) for _ in range(EPOCHS)])
        steps = [order[at : at + BATCH].tolist() for at in range(0, len(order), BATCH)]
        optimizer = torch.optim.AdamW([p for layer in top.layers for p in layer.parameters()], RATE, weight_decay=0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=len(steps), pct_start=0.1)
        for step in steps:
            optimizer.zero_grad()
            self.loss(top, step).mean().backward()
            torch.nn.utils.clip_grad_norm_(top.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        return top.eval()


def held_out_loss(top: Top, material: Material, cell: Cell) -> list[float]:
    """Nats a token, after learning from what the cell chooses."""
    import torch

    learnt = top.learn(chosen(material, cell), cell.seed)
    rows = [int(row) for row in material.split[0][:TESTED]]
    with torch.inference_mode():
        found = [top.loss(learnt, rows[at : at + 8]) for at in range(0, len(rows), 8)]
    return [float(loss) for loss in torch.cat(found)]


def _right_padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Any, Any]:
    import torch

    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])


def study(quick: bool, work: Path) -> experiment.Study:
    full = [(name, share) for name, share in FULL if name == MIXED or "BRIDGE_DATA" in os.environ]
    todo: Iterable[Cell] = chain(cells([(MIXED, 0.05), (MIXED, 0.02)], SEEDS, METHODS), cells(full, SEEDS, BEST))
    sizes = {MIXED: Sizes(source=600, held_out=100), "svamp_palm": Sizes(source=600, held_out=100)}
    if quick:
        todo, sizes = (
            cells([(MIXED, 0.2)], [0], ["random", "bridge"]),
            {MIXED: Sizes(30, 10, 16, base=shallow(work, 4))},
        )

    @cache
    def find(name: str) -> tuple[Top, Material]:
        material = prepare(name, work, sizes.get(name, Sizes()))
        return Top(material, Compute().batch_tokens), material

    def measure(cell: Cell) -> dict[str, Any]:
        return {"values": held_out_loss(*find(cell.set), cell)}

    return experiment.Study(todo, measure, {"method": "random"}, scale=1, over="random")


if __name__ == "__main__":
    experiment.run(Path(__file__).stem, __doc__ or "", "selection-effect", study)
