"""The embedded base: converted once from what its package carries, and able to speak."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge_distill.config import Compute, Shrink
from bridge_distill.models.bases import EMBEDDED, cache_folder, find_base
from bridge_distill.models.generator import Decoding
from bridge_distill.models.load import load
from bridge_distill.models.shrink import cut
from scribe import write_after

TEXT = "What is the capital of France?"


@pytest.mark.parametrize("name", sorted(EMBEDDED))
def test_an_embedded_base_is_converted_once_and_survives_trimming(name: str) -> None:
    whole = load(name, Compute(), "base")
    folder = Path(find_base(name, "base"))
    assert folder.is_relative_to(cache_folder())
    assert whole.parameters == EMBEDDED[name].parameters
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    written = (folder / "model.safetensors").stat().st_mtime_ns
    said = write_after(whole, [TEXT], Decoding(8))[0][0].text
    assert "Paris" in said
    small = cut(load(name, Compute(), "base"), Shrink(vocabulary="task"), [TEXT, said], "shrink")
    assert small.parameters < whole.parameters * 0.85
    assert write_after(small, [TEXT], Decoding(8))[0][0].text == said
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert not list(folder.parent.glob("*.partial"))
