"""What a training leaves in the home."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import Service, running_service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    before = os.umask(0o022)
    with running_service(tmp_path) as started:
        yield started
    os.umask(before)


@pytest.mark.fault
def test_checkpoints_logs_and_spools_are_their_accounts_alone(service: Service) -> None:
    run_id = service.launch(epochs=1, warmup_epochs=0)
    service.wait_for_status(run_id, "completed", seconds=240)
    made = [path for path in service.home.rglob("*") if not path.is_symlink()]
    assert [path for path in made if run_id in str(path) and path.is_file()]
    assert [str(path) for path in made if path.lstat().st_mode & 0o077] == []
