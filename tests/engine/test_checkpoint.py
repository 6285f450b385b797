from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.parts import differences
from worker.engine.checkpoint import FORMAT, CheckpointDamaged, checkpoint_path, load, newest_first, save

CONTENT: dict[str, Any] = {
    "step": 3,
    "model": {"weight": torch.arange(24.0).view(2, 3, 2, 2).to(memory_format=torch.channels_last)},
    "best": None,
}


def test_what_is_saved_is_loaded_layout_included(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path / "new folder", 3)
    written = save(CONTENT, path)
    assert differences({**CONTENT, "format": FORMAT}, load(path).content) == []
    assert written.size_bytes == path.stat().st_size
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_torch_reads_the_file_without_unpickling_code(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, 3)
    save(CONTENT, path)
    assert torch.load(path, weights_only=True)["step"] == 3


@pytest.mark.parametrize("position", [0, 400, -200, -10])
def test_a_changed_byte_is_noticed(tmp_path: Path, position: int) -> None:
    path = checkpoint_path(tmp_path, 3)
    save(CONTENT, path)
    damaged = bytearray(path.read_bytes())
    damaged[position] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CheckpointDamaged, match=r"step-00000003\.pt is damaged"):
        load(path)


@pytest.mark.parametrize("kept", [0, 20, -1])
def test_a_file_cut_short_is_noticed(tmp_path: Path, kept: int) -> None:
    path = checkpoint_path(tmp_path, 3)
    save(CONTENT, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointDamaged, match=r"step-00000003\.pt"):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointDamaged, match=r"step-00000003\.pt cannot be read: No such file"):
        load(checkpoint_path(tmp_path, 3))


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = checkpoint_path(tmp_path, 3)
    save(CONTENT, path)
    before = path.read_bytes()

    def disk_full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        save({**CONTENT, "step": 4}, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_what_a_crash_left_unfinished_is_removed(tmp_path: Path) -> None:
    (tmp_path / "step-00000002.pt.partial").write_bytes(b"half")
    save(CONTENT, checkpoint_path(tmp_path, 3))
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-00000003.pt"]


def test_the_newest_comes_first(tmp_path: Path) -> None:
    for step in (5, 100, 20):
        save(CONTENT, checkpoint_path(tmp_path, step))
    assert [path.stem for path in newest_first(tmp_path)] == ["step-00000100", "step-00000020", "step-00000005"]
