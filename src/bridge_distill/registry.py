"""Families of interchangeable parts: one file and one decorator adds a member.

A family's members are found by importing every module of its package, and every module that other
packages name in the entry-point group ``bridge_distill.plugins``. Modules of a family keep heavy
imports inside functions, so that a look-up stays cheap.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from bridge_distill.errors import UserError, nearest

T = TypeVar("T")
_SCANNING = threading.RLock()


class Registry(Generic[T]):
    """The members of one family, by name."""

    def __init__(self, family: str, package: str) -> None:
        self.family, self.package = family, package
        self._members: dict[str, T] = {}
        self._scanned = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: add a member under ``name``. Raises ``ValueError`` if the name is taken."""

        def add(member: T) -> T:
            if name in self._members:
                raise ValueError(f"{self.family} {name!r} is registered twice")
            self._members[name] = member
            return member

        return add

    def names(self) -> list[str]:
        """Known names, sorted."""
        self._scan()
        return sorted(self._members)

    def get(self, name: str, place: str) -> T:
        """Look a member up; ``place`` is the dotted path to name in the error (``UserError``)."""
        self._scan()
        if name not in self._members:
            raise UserError(place, f"unknown {self.family} {name!r}", nearest(name, self._members))
        return self._members[name]

    def _scan(self) -> None:
        if self._scanned:
            return
        with _SCANNING:  # a second thread must not see a half-filled family
            if self._scanned:
                return
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self.package}.{module.name}")
            for plugin in entry_points(group="bridge_distill.plugins"):
                plugin.load()
            self._scanned = True
