"""Families find their members, from any thread, and name them where one is unknown."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge_distill.errors import UserError, nearest
from bridge_distill.registry import Registry

SLOW_MEMBER = """
import time
time.sleep(0.05)
import {package}_family
{package}_family.family.register("{name}")({name!r})
"""


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Registry[str]:
    package = f"plug_{abs(hash(request.node.name))}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    for name in ("alpha", "beta", "gamma"):
        (tmp_path / package / f"{name}.py").write_text(SLOW_MEMBER.format(package=package, name=name))
    monkeypatch.syspath_prepend(tmp_path)
    registry: Registry[str] = Registry("letter", package)
    module = type(sys)(f"{package}_family")
    module.family = registry  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, f"{package}_family", module)
    return registry


def test_many_threads_at_once_see_the_whole_family(family: Registry[str]) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: family.get("gamma", "place"), range(8)))
    assert found == ["gamma"] * 8
    assert family.names() == ["alpha", "beta", "gamma"]


def test_an_unknown_name_lists_the_known_ones(family: Registry[str]) -> None:
    with pytest.raises(
        UserError, match=r"a\.b: unknown letter 'gama'; did you mean 'gamma'\? \(known: alpha, beta, gamma\)"
    ):
        family.get("gama", "a.b")


def test_a_name_is_taken_once(family: Registry[str]) -> None:
    family.names()
    with pytest.raises(ValueError, match="registered twice"):
        family.register("alpha")("again")


def test_nearest_without_a_near_one_lists_all() -> None:
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
