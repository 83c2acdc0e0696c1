"""A completions server on this machine, as vLLM's: it writes with transformers' own ``generate``, one row at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import torch

from bridge_distill.models.load import Model


@dataclass
class Server:
    model: Model
    names: list[str]
    url: str = ""
    failures: list[int] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    logprobs: bool = True
    lock: Lock = field(default_factory=Lock)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:  # torch's generator is one for all threads
            self.bodies.append(body)
            torch.manual_seed(body["seed"] % 2**31)
            choices = [{"index": at, **self.choice(body)} for at in range(body["n"])]
        return {"id": "c", "object": "text_completion", "created": 0, "model": body["model"], "choices": choices}

    def choice(self, body: dict[str, Any]) -> dict[str, Any]:
        ids, warm = torch.tensor([body["prompt"]]), body["temperature"] > 0
        drawn = {"do_sample": True, "temperature": body["temperature"], "top_k": 0} if warm else {"do_sample": False}
        given = {"attention_mask": torch.ones_like(ids), "max_new_tokens": body["max_tokens"], **drawn}
        whole = self.model.network.generate(
            input_ids=ids, tokenizer=self.model.tokenizer, stop_strings=body["stop"], **given
        )
        made = whole[0, ids.shape[1] :]
        with torch.inference_mode():
            logs = self.model.network(whole).logits[0, ids.shape[1] - 1 : -1].log_softmax(-1)
        told = logs.gather(1, made[:, None]).squeeze(1).tolist()
        text = self.model.tokenizer.decode(made, skip_special_tokens=True)
        places = [text.find(stop) for stop in body["stop"] or [] if stop in text]
        ended = bool(places) or int(made[-1]) == self.model.tokenizer.eos_token_id
        tokens = [f"token_id:{token}" for token in made.tolist()]
        return {
            "text": text[: min(places)] if places else text,
            "finish_reason": "stop" if ended else "length",
            "logprobs": {"tokens": tokens, "token_logprobs": told} if self.logprobs else None,
        }


@contextmanager
def serving(model: Model, *names: str) -> Iterator[Server]:
    server = Server(model, list(names))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in server.names]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if server.failures:
                self.reply(server.failures.pop(), {"error": {"message": "not now"}})
            else:
                self.reply(200, server.answer(body))

        def reply(self, status: int, body: dict[str, Any]) -> None:
            sent = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *args: Any) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
