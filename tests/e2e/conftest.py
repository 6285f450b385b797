from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.service import Service, running_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One whole ResDrop for the tests of a module."""
    with running_service(tmp_path_factory.mktemp("resdrop")) as started:
        yield started
