"""Fixtures of the tests that do faults to real processes."""

from __future__ import annotations

from tests.cli.conftest import up

__all__ = ["up"]
