"""Learning from one's own texts: the student writes, the assistant grades every token (GKD, arXiv 2306.13649).

A part of the steps, evenly spread, is of texts that the student has just written; the others are of those that exist.
Either way the assistant reads along and the whole distributions are compared. What a step writes depends on the seed,
the step, the example and the weights alone, so that a resumed training writes the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.config import Compute
from bridge_distill.engine.together import processes
from bridge_distill.models.decode import decode
from bridge_distill.models.distillation.events import merging
from bridge_distill.models.distillation.grading import heard
from bridge_distill.models.distillation.losses import Marked, Mix, mixed
from bridge_distill.models.distillation.pairs import Pair, Readers
from bridge_distill.models.distillation.states import padded
from bridge_distill.models.generator import Decoding
from bridge_distill.models.load import Model, load, prompt_ids
from bridge_distill.models.reading import left_padded
from bridge_distill.models.train import Example, Objective
from bridge_distill.models.train.examples import Row


@dataclass(frozen=True)
class Live(Objective):
    """The objective of ``texts``, prompts with the student's tokens after them, by the number of their example.

    ``own`` is the share of steps whose texts the student writes, by ``decoding``. Files whose names begin with
    ``diary`` keep count of the tokens of every step.
    """

    texts: Mapping[int, tuple[str, list[int]]]
    readers: Readers
    assistant: Path
    compute: Compute
    mix: Mix
    own: float
    decoding: Decoding
    seed: int
    diary: Path

    def columns(self, example: int) -> Mapping[str, NDArray[np.generic]]:
        """Nothing: what is learnt is known only once it is written."""
        return {}

    def prepared(self, network: Any, batch: dict[str, Any], step: int) -> dict[str, Any]:
        """The batch with what the assistant thinks of it, its texts written anew where it is the student's turn."""
        numbers = batch["examples"].tolist()
        texts = [self.texts[number] for number in numbers]
        own = int((step + 1) * self.own) > int(step * self.own)
        if own:
            texts = self._written(network, numbers, step)
        pairs = [self.readers.pair(*text) for text in texts]
        self._note(step, pairs, own)
        return self._batch(pairs, own, network.device)

    def losses(self, logits: Any, targets: Any, columns: Mapping[str, Any]) -> Any:
        """The divergence at the first token of each span, mixed with the likelihood of a text that exists, (tokens,).

        What the student wrote itself is no text to be repeated: there the divergence is all.
        """
        import torch

        shared, marked = self.readers.shared, dict(columns)
        mix = replace(self.mix, weight=1.0) if marked.pop("own") else self.mix
        classes = torch.from_numpy(shared.student).to(logits.device)
        return mixed(logits, targets, Marked(**marked), classes, shared.count, mix)

    def figures(self) -> dict[str, int]:
        """Tokens trained on, written by the student, and read by the assistant, over all steps and processes."""
        files = sorted(self.diary.parent.glob(f"{self.diary.name}-*"))
        lines = [json.loads(line) for file in files for line in file.read_bytes().split(b"\n")[:-1]]
        latest = {(line["process"], line["step"]): line for line in lines}
        # A step that was made again after a kill may have been shared among fewer processes than before it.
        shared = {step: line["processes"] for (process, step), line in latest.items() if process == 0}
        counted = [line for (_, step), line in latest.items() if line["processes"] == shared.get(step)]
        return {name: sum(line[name] for line in counted) for name in ("tokens", "written", "read")}

    @cached_property
    def _assistant(self) -> Model:
        return load(str(self.assistant), self.compute, "assistant")

    def _written(self, network: Any, numbers: Sequence[int], step: int) -> list[tuple[str, list[int]]]:
        """The prompts of some examples with what the student writes after them."""
        import torch

        student, asked = Model(network, self.readers.student), [self.texts[number][0] for number in numbers]
        rows = [prompt_ids(student.tokenizer, prompt) for prompt in asked]
        ids, mask = left_padded(rows, student.tokenizer.pad_token_id, network.device)
        limit = self.decoding.max_new_tokens
        draws = [np.random.default_rng([self.seed, step, number]).random(limit) for number in numbers]
        network.eval()
        written = decode(student, ids, mask, None, torch.from_numpy(np.stack(draws)), self.decoding)
        network.train()
        tokens = [row[:drawn] for row, drawn in zip(written.tokens.tolist(), written.drawn.tolist(), strict=True)]
        return list(zip(asked, tokens, strict=True))

    def _batch(self, pairs: Sequence[Pair], own: bool, device: Any) -> dict[str, Any]:
        """What the training reads: padded texts, and flat the tokens that are learnt with the spans that they make."""
        import torch

        made = padded([pair.student.ids for pair in pairs], self.readers.student.pad_token_id, device)
        width, sizes = made["input_ids"].shape[1], [len(pair.student.completion) for pair in pairs]
        begins = [row * width + len(pair.student.prompt) - 1 for row, pair in enumerate(pairs)]
        targets = [token for pair in pairs for token in pair.student.completion]
        places = np.concatenate([begin + np.arange(size) for begin, size in zip(begins, sizes, strict=True)])
        return {
            "input_ids": made["input_ids"],
            "targets": torch.tensor(targets, device=device),
            "weights": torch.ones(len(targets), device=device),
            "places": torch.from_numpy(places).to(device),
            "scale": _in_all_processes(torch.tensor(float(len(targets)), device=device)),
            "columns": {"own": own, **self._marked(pairs, device)},
        }

    def _marked(self, pairs: Sequence[Pair], device: Any) -> dict[str, Any]:
        import torch

        sizes = np.cumsum([0, *(len(pair.student.completion) for pair in pairs)])
        starts = [size + pair.spans[:, 0].cumsum() - pair.spans[:, 0] for size, pair in zip(sizes, pairs, strict=False)]
        spans = np.concatenate([pair.spans for pair in pairs])
        logs = torch.cat(list(heard(self.readers, self._assistant, pairs, self.mix.temperature)))
        flat = {"starts": np.concatenate(starts), "lengths": spans[:, 0].copy(), "merged": merging(spans)}
        return {"logs": logs, **{name: torch.from_numpy(values).to(device) for name, values in flat.items()}}

    def _note(self, step: int, pairs: Sequence[Pair], own: bool) -> None:
        process = _process()
        line = {
            "process": process,
            "processes": processes(),
            "step": step,
            "tokens": sum(len(pair.student.ids) for pair in pairs),
            "written": sum(len(pair.student.completion) for pair in pairs) if own else 0,
            "read": sum(len(pair.assistant.ids) for pair in pairs),
        }
        with self.diary.with_name(f"{self.diary.name}-{process}").open("a+b") as stream:
            stream.seek(0)
            stream.truncate(stream.read().rfind(b"\n") + 1)  # a kill may have left half a line
            stream.write(json.dumps(line).encode() + b"\n")


def _process() -> int:
    """Which of the processes that share the training this is."""
    import torch

    return torch.distributed.get_rank() if processes() > 1 else 0


def _in_all_processes(count: Any) -> Any:
    """The sum of a count over the processes that share a step: its loss is the mean over the tokens of all."""
    import torch

    if processes() > 1:
        torch.distributed.all_reduce(count)
    return count


def live(
    student: Model,
    assistant: Path,
    compute: Compute,
    examples: Sequence[Example],
    rows: Sequence[Row],
    seed: int,
    mix: Mix,
    own: float,
    decoding: Decoding,
    diary: Path,
) -> Live:
    """The objective of all examples that have ``rows``; the student's draws depend on ``seed``."""
    texts = {row.number: (examples[row.number].prompt or "", row.ids[row.start :].tolist()) for row in rows}
    readers = Readers(student, load(str(assistant), compute, "assistant"))
    return Live(texts, readers, assistant, compute, mix, own, decoding, seed, diary)
