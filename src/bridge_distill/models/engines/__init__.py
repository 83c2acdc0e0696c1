"""Engines that write, one a module; each opens a ``Generator`` (docs/engines.md)."""
