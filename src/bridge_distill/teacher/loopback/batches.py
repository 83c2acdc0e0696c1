"""A batch of either API: worked in parts as it is looked at, ended as its fault says.

Looking, not a clock, moves a batch on, so that tests are the same every time.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridge_distill.teacher.loopback.api import Api, Asked, Body, Outcome, Problem
from bridge_distill.teacher.loopback.faults import LINES, Fault
from bridge_distill.teacher.loopback.office import File, Office
from bridge_distill.teacher.loopback.wire import WIRE

LOOKS = 2
STUCK = 10
Item = tuple[str, Asked | Problem]


class Batch:
    """``items`` are questions by custom id, or what is wrong with one; ``problems`` what is wrong with the whole.

    ``status`` is in OpenAI's words. A part of the items is worked when the batch arrives, another at
    each look, the rest at the last one; ``outputs`` and ``errors`` then stand in the office's files.
    """

    def __init__(
        self,
        office: Office,
        api: Api,
        items: Sequence[Item],
        problems: Sequence[tuple[int | None, str]] = (),
        fault: Fault | None = None,
        metadata: Mapping[str, str] | None = None,
        input_file: str = "",
    ) -> None:
        self.id = office.name("batch_" if api.name == "openai" else "msgbatch_")
        self.api, self.items, self.fault = api, items, fault
        self.problems = [*problems, *([(None, fault.message)] if fault and fault.kind == "batch_failed" else [])]
        self.metadata, self.input_file = metadata or {}, input_file
        self.status, self.created = "validating", time.time()
        self.cancelling: float | None = None
        self.ended: float | None = None
        self.output_file: str | None = None
        self.error_file: str | None = None
        self.counts: Counter[Outcome] = Counter()
        self.input_tokens = self.output_tokens = 0
        self._office, self._lock, self._looks, self._worked = office, threading.Lock(), 0, 0
        self._outputs: list[str] = []
        self._errors: list[str] = []
        with self._lock:
            self._work(self._due())

    @property
    def model(self) -> str | None:
        """The model that the first sound item names."""
        return next((asked.model for _, asked in self.items if isinstance(asked, Asked)), None)

    def look(self) -> None:
        """Move the batch on by one step, unless it has ended."""
        with self._lock:
            if self.ended is not None:
                return
            self._looks += 1
            if self.cancelling is not None:
                self._end("cancelled")
            elif self.problems:
                self._end("failed")
            else:
                self.status = "in_progress"
                self._work(self._due())
                if self._looks >= self._last_look:
                    self._end(_ENDS.get(self._kind, "completed"))

    def cancel(self) -> None:
        """Begin to cancel: nothing more is worked; raises ``Problem`` where the batch has ended."""
        with self._lock:
            if self.ended is not None:
                raise Problem(409, f"Cannot cancel a batch with status '{self.status}'.", "conflict")
            if self.cancelling is None:
                self.status, self.cancelling = "cancelling", time.time()

    @property
    def _kind(self) -> str:
        return self.fault.kind if self.fault else ""

    @property
    def _last_look(self) -> int:
        return (self.fault.polls if self.fault else None) or (STUCK if self._kind == "batch_stuck" else LOOKS)

    def _due(self) -> int:
        """How many items are worked by now."""
        if self.problems:
            return 0
        share = self.fault.share if self.fault and self._kind in _ENDS else 1.0
        target = math.ceil(share * len(self.items))
        return target if self._looks >= self._last_look else target * (self._looks + 1) // (self._last_look + 1)

    def _work(self, due: int) -> None:
        for custom_id, asked in self.items[self._worked : due]:
            self._worked += 1
            try:
                if isinstance(asked, Problem):
                    raise asked
                body = self._completion(asked if asked.tag else replace(asked, tag=custom_id))
            except Problem as problem:
                error = self.api.error(problem.status, problem.message, problem.code)
                self._note(self._errors, custom_id, "errored", problem.status, error)
            else:
                self._note(self._outputs, custom_id, "succeeded", 200, body)

    def _completion(self, asked: Asked) -> Body:
        """Work one item; a fault that would show on the wire is an error of the item."""
        worked = self._office.work(self.api, asked, batch=True)
        self.input_tokens += worked.times * worked.answer.input_tokens
        self.output_tokens += worked.times * worked.answer.output_tokens
        if worked.fault is not None and worked.fault.kind in WIRE:
            raise Problem(worked.fault.status or 500, worked.fault.message, worked.fault.code)
        return worked.body

    def _note(self, lines: list[str], custom_id: str, outcome: Outcome, status: int, body: Body) -> None:
        self.counts[outcome] += 1
        lines.append(json.dumps(self.api.line(custom_id, outcome, status, body)))

    def _end(self, status: str) -> None:
        outcome: Outcome = "cancelled" if status == "cancelled" else "expired"
        if status != "failed":
            for custom_id, _ in self.items[self._worked :]:
                self._note(self._errors, custom_id, outcome, 0, {})
        if self._kind in LINES:
            self._outputs = LINES[self._kind](self._outputs)
        self.output_file = self._file("output", self._outputs)
        self.error_file = self._file("error", self._errors)
        self._outputs, self._errors = [], []
        self.status, self.ended = status, time.time()

    def _file(self, purpose: str, lines: list[str]) -> str | None:
        if not lines:
            return None
        name = f"file-{self.id}-{purpose}"
        content = "".join(f"{line}\n" for line in lines).encode()
        self._office.files[name] = File(f"{self.id}_{purpose}.jsonl", "batch_output", content)
        return name


_ENDS = {"batch_expired": "expired", "batch_cancelled": "cancelled"}
