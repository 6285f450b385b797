from __future__ import annotations

import hashlib
import io
import os
import resource
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.parts import differences
from worker.engine.checkpoint import (
    FORMAT,
    CheckpointDamaged,
    CheckpointMismatch,
    CheckpointUnwritable,
    checkpoint_path,
    load,
    newest_first,
    save,
)

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


def sealed(content: bytes, path: Path) -> None:
    path.write_bytes(content + b"RESDROP1" + hashlib.sha256(content).digest())


def written_by_torch(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


class Booby:
    """Makes a file where it is unpickled by whoever trusts it."""

    def __init__(self, trap: Path) -> None:
        self._trap = trap

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._trap,)


def test_a_right_seal_runs_no_code(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, 3)
    sealed(written_by_torch({"format": FORMAT, "step": Booby(tmp_path / "sprung")}), path)
    with pytest.raises(CheckpointDamaged, match=r"step-00000003\.pt holds more than numbers and text"):
        load(path)
    assert not (tmp_path / "sprung").exists()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("thesis.txt", "years of work")
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"years of work", zipped(), written_by_torch([1]), written_by_torch({"step": 3})]
)
def test_a_right_seal_on_something_else_is_noticed(tmp_path: Path, content: bytes) -> None:
    path = checkpoint_path(tmp_path, 3)
    sealed(content, path)
    with pytest.raises(CheckpointDamaged, match=r"step-00000003\.pt"):
        load(path)


def test_another_format_is_no_damage(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, 3)
    sealed(written_by_torch({"format": FORMAT + 1}), path)
    with pytest.raises(CheckpointMismatch, match=f"has format {FORMAT + 1}, this version reads {FORMAT}"):
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
    with pytest.raises(CheckpointUnwritable, match=r"step-00000003\.pt cannot be written: No space left .*make room"):
        save({**CONTENT, "step": 4}, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond 64 kB, as on a disk with no more room than that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_a_disk_that_takes_no_more_says_so_itself(tmp_path: Path) -> None:
    """torch alone speaks of an unexpected position."""
    path = checkpoint_path(tmp_path, 3)
    save(CONTENT, path)
    before = path.read_bytes()
    with pytest.raises(CheckpointUnwritable, match=r"step-00000003\.pt cannot be written: File too large"):
        save({**CONTENT, "more": torch.zeros(1 << 16)}, path)
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
