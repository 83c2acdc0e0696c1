"""Drafts written turn by turn, those that may share a batch together, whatever becomes of the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from bridge_distill.guidance.draft import Draft
from bridge_distill.guidance.turns import Rules, Turn, next_turn
from bridge_distill.models.generator import Asked, Decoding, Generator, seed_of

# Rooms differ from draft to draft, a batch has one: above this they are given in such steps, the rest in a later turn.
_ROOM = 32
Waiting = list[tuple[Draft, Turn]]


def begin(generator: Generator, asked: Sequence[Asked], decoding: Decoding, seed: int, first: int) -> list[Draft]:
    """The drafts of all prompts, each prompt's samples beside each other, written once and not yet guided."""
    written = generator.write(asked, decoding, seed, positions=range(first, first + len(asked)))
    drafts = []
    for at, (one, samples) in enumerate(zip(asked, written, strict=True)):
        for sample, generation in enumerate(samples):
            draft = Draft((first + at) * decoding.samples + sample, one.prompt, one.begun)
            draft.take(generation, decoding.max_new_tokens)
            drafts.append(draft)
    return drafts


def carry_on(generator: Generator, drafts: Sequence[Draft], rules: Rules, seed: int) -> None:
    """Give every draft its turns until none is left.

    What a turn draws depends on the seed, the draft's place and the number of its turns alone.
    """
    waiting = _waiting(drafts, rules)
    while waiting:
        for room, batch in _batches(waiting):
            turn, writes = batch[0][1], batch[0][0].writes
            asked = [Asked(draft.prompt, draft.text) for draft, _ in batch]
            decoding = Decoding(room, turn.temperature, 1, turn.stop)
            places = [draft.place for draft, _ in batch]
            written = generator.write(asked, decoding, seed_of(seed, writes), positions=places)
            for (draft, _), [generation] in zip(batch, written, strict=True):
                draft.take(generation, room)
        waiting = _waiting([draft for draft, _ in waiting], rules)


def _waiting(drafts: Sequence[Draft], rules: Rules) -> Waiting:
    found = [(draft, next_turn(draft, rules)) for draft in drafts]
    return [(draft, turn) for draft, turn in found if turn is not None]


def _batches(waiting: Waiting) -> Iterator[tuple[int, Waiting]]:
    """Turns of one kind, with the room for them."""
    kinds: defaultdict[tuple[int, float, tuple[str, ...], int], Waiting] = defaultdict(list)
    for draft, turn in waiting:
        room = turn.room // _ROOM * _ROOM or turn.room
        kinds[room, turn.temperature, turn.stop, draft.writes if turn.temperature else 0].append((draft, turn))
    for (room, *_), batch in kinds.items():
        yield room, batch
