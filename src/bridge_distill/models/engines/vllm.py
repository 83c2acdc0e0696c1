"""vLLM by URL: the completions endpoint of a server that serves exactly this model, by the digest in its name.

Prompts go as token ids, so that the server reads what the other engines read.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from bridge_distill.config import Compute
from bridge_distill.engine.progress import Tick, unseen
from bridge_distill.errors import UserError
from bridge_distill.models.bases import base_digest, find_base
from bridge_distill.models.generator import Asked, Decoding, Engine, Generation, Generator, engines, seed_of
from bridge_distill.models.load import load_tokenizer, prompt_ids, text_ids
from bridge_distill.models.writing import trimmed

PLACE = "compute.engine_url"
KEY = "VLLM_API_KEY"
_TOGETHER = 128
_RETRIES = 4
T = TypeVar("T")


class VLLM(Generator):
    """Asks the server at ``url`` for the model that it calls ``served``; entropies cannot be told."""

    def __init__(self, url: str, served: str, tokenizer: Any) -> None:
        self._url, self._served, self._tokenizer = url, served, tokenizer
        # A server may say an end token's text, or none; asked for ids, it says its id.
        end = tokenizer.eos_token_id
        self._ends = {f"token_id:{end}", tokenizer.decode([end])}

    def write(
        self,
        asked: Sequence[Asked],
        decoding: Decoding,
        seed: int,
        tick: Tick = unseen,
        positions: Sequence[int] | None = None,
    ) -> list[list[Generation]]:
        """Write the samples of each prompt in one request; raises ``UserError`` where the server fails for good."""
        places = range(len(asked)) if positions is None else positions
        bodies = [self._body(one, decoding, seed_of(seed, at)) for one, at in zip(asked, places, strict=True)]
        answers = _answered(self._url, self._posted(bodies, tick))
        return [self._read(one, answer) for one, answer in zip(asked, answers, strict=True)]

    def count(self, text: str) -> int:
        """The number of tokens of a text, special ones left out."""
        return len(text_ids(self._tokenizer, text))

    def _body(self, one: Asked, decoding: Decoding, seed: int) -> dict[str, Any]:
        return {
            "model": self._served,
            "prompt": prompt_ids(self._tokenizer, one.prompt) + text_ids(self._tokenizer, one.begun),
            "max_tokens": decoding.max_new_tokens,
            "temperature": decoding.temperature,
            "top_p": 1,
            "n": decoding.samples,
            "seed": seed,
            "logprobs": 1,
            "stop": list(decoding.stop) or None,
            "extra_body": {"return_tokens_as_token_ids": True},
        }

    async def _posted(self, bodies: Sequence[dict[str, Any]], tick: Tick) -> list[Any]:
        limit = asyncio.Semaphore(_TOGETHER)
        async with _client(self._url) as client:

            async def post(body: dict[str, Any]) -> Any:
                async with limit:
                    answer = await client.completions.create(**body)
                tick(1)
                return answer

            return await asyncio.gather(*(post(body) for body in bodies))

    def _read(self, one: Asked, answer: Any) -> list[Generation]:
        return [self._generation(one, choice) for choice in sorted(answer.choices, key=lambda choice: choice.index)]

    def _generation(self, one: Asked, choice: Any) -> Generation:
        if choice.logprobs is None or not choice.logprobs.token_logprobs:
            raise UserError(PLACE, f"{self._url} gives no log-probabilities", "use a server that does, such as vLLM")
        logs = choice.logprobs.token_logprobs
        tokens = len(logs) - (choice.logprobs.tokens[-1] in self._ends)
        text = trimmed(choice.text, bool(one.begun))
        mean = sum(logs) / len(logs)
        return Generation(text, tokens, choice.finish_reason == "stop", mean, math.nan, math.nan)


def _open(model: str, compute: Compute, place: str) -> VLLM:
    url = compute.engine_url
    assert url is not None, "check_engine comes first"
    served = served_name(model, place)
    found = _answered(url, _listed(url))
    try:
        known = [one.id for one in found.data]
    except (AttributeError, TypeError):
        problem = f"{url} answers, but with no list of models"
        raise UserError(PLACE, problem, "give a server's address such as http://localhost:8000/v1") from None
    if served not in known:
        listed = ", ".join(known) or "nothing"
        raise UserError(PLACE, f"{url} serves {listed}, not {model}", f"run: {serve_command(model, place)}")
    return VLLM(url, served, load_tokenizer(model, place))


engines.register("vllm")(Engine(_open, by_url=True))


def served_name(model: str, place: str) -> str:
    """The name that a server has to serve a model under: other weights at the same path have another."""
    return f"bridge-{hashlib.sha256(base_digest(model, place).encode()).hexdigest()[:12]}"


def serve_command(model: str, place: str) -> str:
    """The command line that serves a model."""
    # Without the last option a server draws by what a model's folder proposes.
    name = served_name(model, place)
    return f"vllm serve {find_base(model, place)} --served-model-name {name} --generation-config vllm"


def _client(url: str) -> Any:
    import openai

    return openai.AsyncOpenAI(base_url=url, api_key=os.environ.get(KEY) or "none", max_retries=_RETRIES)


async def _listed(url: str) -> Any:
    async with _client(url) as client:
        return await client.models.list()


def _answered(url: str, call: Coroutine[Any, Any, T]) -> T:
    """What calls to the server give; raises ``UserError`` for what the SDK's retries did not cure."""
    import openai

    try:
        return asyncio.run(call)
    except openai.APIConnectionError as error:
        reason = str(error).rstrip(".")
        cure = "start the server, then run again: finished shards are kept"
        raise UserError(PLACE, f"{url} does not answer ({reason})", cure) from error
    except openai.OpenAIError as error:
        raise UserError(PLACE, f"{url} refuses ({str(error)[:300]})", "see the server's own log") from error
