from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import Service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One whole ResDrop for the tests of a module."""
    started = Service(Path(tmp_path_factory.mktemp("resdrop")) / "home")
    try:
        started.start()
        yield started
    finally:
        started.stop()
