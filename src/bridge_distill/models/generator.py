"""The contract of generation: prompts in, texts with token log-probabilities out, whatever engine writes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from bridge_distill.config import Compute
from bridge_distill.engine.progress import Tick, unseen
from bridge_distill.errors import UserError
from bridge_distill.registry import Registry


@dataclass(frozen=True, slots=True)
class Asked:
    """A user's message, and the text that its reply ``begun`` with, which is no part of what is written."""

    prompt: str
    begun: str = ""


@dataclass(frozen=True)
class Decoding:
    """How to write: greedily at temperature 0, at most ``max_new_tokens`` a sample.

    Writing ends before the first of the ``stop`` strings. ``entropies`` asks for the entropies too, which cost a
    pass over the vocabulary a token.
    """

    max_new_tokens: int
    temperature: float = 0.0
    samples: int = 1
    stop: tuple[str, ...] = ()
    entropies: bool = False


@dataclass(frozen=True, slots=True)
class Generation:
    """One written text, without white space around it (but before it, where something was begun).

    ``tokens`` are those drawn, the end token left out, a stop string's counted. ``finished`` is False where the token
    limit cut the text off; ``log_probability`` is the mean over its tokens and ``entropy`` the mean entropy of the
    distributions they were drawn from (nats), ``top_entropy`` that of the fifth of the tokens where it is highest:
    NaN where they were not asked for or an engine cannot tell.
    """

    text: str
    tokens: int
    finished: bool
    log_probability: float
    entropy: float
    top_entropy: float


class Generator(ABC):
    """A model that writes."""

    @abstractmethod
    def write(
        self,
        asked: Sequence[Asked],
        decoding: Decoding,
        seed: int,
        tick: Tick = unseen,
        positions: Sequence[int] | None = None,
    ) -> list[list[Generation]]:
        """Write ``decoding.samples`` texts for each of ``asked``, in its order.

        What is sampled depends on ``seed`` and a prompt's position alone, which is its place in ``asked`` where
        no ``positions`` are given, so that parts of a list are written as the whole would be, but for rounding.
        """

    @abstractmethod
    def count(self, text: str) -> int:
        """The number of tokens of a text."""


@dataclass(frozen=True)
class Engine:
    """How a model is opened in an engine, given its name, ``Compute`` and the place of the setting that named it."""

    open: Callable[[str, Compute, str], Generator]
    by_url: bool = False


engines: Registry[Engine] = Registry("engine", "bridge_distill.models.engines")


def check_engine(compute: Compute) -> None:
    """Raise ``UserError`` for an engine that there is not, or an address that it lacks or has no use for."""
    by_url = engines.get(compute.engine, "compute.engine").by_url
    if by_url and compute.engine_url is None:
        cure = "give the server's address, such as http://localhost:8000/v1"
        raise UserError("compute.engine_url", f"is not set for engine {compute.engine!r}", cure)
    if by_url and not _is_address(compute.engine_url):
        cure = "give a server's address, such as http://localhost:8000/v1"
        raise UserError("compute.engine_url", f"{compute.engine_url} is no address", cure)
    if compute.engine_url is not None and not by_url:
        raise UserError("compute.engine_url", f"has no use for engine {compute.engine!r}", "set compute.engine: vllm")


def _is_address(url: str | None) -> bool:
    try:
        parts = urlsplit(url or "")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def seed_of(seed: int, part: int) -> int:
    """A seed of a later part's own: the next whole number would draw what another run's first part draws."""
    return int(np.random.SeedSequence([seed, part]).generate_state(1)[0])


def open_generator(model: str, compute: Compute, place: str) -> Generator:
    """A base by name, a model folder or a hub id in the engine that ``compute`` names; raises ``UserError``.

    ``place`` is the dotted path of the setting that named the model.
    """
    check_engine(compute)
    return engines.get(compute.engine, "compute.engine").open(model, compute, place)
