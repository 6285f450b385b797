"""A disk that takes no checkpoint: those before stay whole, and the training goes on or says why it cannot."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from tests.engine.parts import InterruptAfter, Recorder, attempt, differences, final_state, run_to_end, tiny
from worker.common.unfinished_checkpoints import remove_unfinished
from worker.contract.messages import Point
from worker.engine.checkpoint import CheckpointUnwritable, load, newest_first
from worker.engine.outcome import Ending
from worker.engine.ports import SavedCheckpoint


class Obstructing(Recorder):
    """Puts a file in the place of the folder at the `first` point, and takes it away again at the `last`."""

    def __init__(self, folder: Path, *, first: int, last: int) -> None:
        super().__init__()
        self._folder, self._aside = folder, folder.with_name("aside")
        self._first, self._last = first, last

    def point(self, point: Point) -> None:
        super().point(point)
        if point.step >= self._first and not self._aside.exists() and self._folder.is_dir():
            self._folder.rename(self._aside)
            self._folder.write_text("in the way")
        if point.step >= self._last and self._aside.exists():
            self._folder.unlink()
            self._aside.rename(self._folder)


def test_the_training_goes_on_where_the_last_checkpoint_can_be_written(tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    run_to_end(tiny(), undisturbed)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    recorder = Obstructing(folder, first=3, last=9)
    run_to_end(tiny(), folder, sink=recorder)
    assert [saved.step for saved in recorder.checkpoints] == [10]
    (refused, again) = recorder.notices
    assert "step-00000005.pt cannot be written: " in refused
    assert refused.endswith("the training goes on meanwhile and tries again")
    assert again == "checkpoints are written again"
    assert differences(final_state(undisturbed), final_state(folder)) == []


def test_without_the_last_checkpoint_it_has_not_completed(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    recorder = Obstructing(folder, first=6, last=100)
    with pytest.raises(CheckpointUnwritable, match=r"step-00000010\.pt cannot be written"):
        run_to_end(tiny(), folder, sink=recorder)
    kept = newest_first(tmp_path / "aside")
    assert [load(path).step for path in kept] == [5]


def test_a_pause_that_cannot_be_kept_says_so_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    recorder = Obstructing(folder, first=6, last=100)
    with pytest.raises(CheckpointUnwritable, match="go on from the one before"):
        attempt(tiny(), folder, sink=recorder, control=InterruptAfter(12))
    assert [load(path).step for path in newest_first(tmp_path / "aside")] == [5]
    (tmp_path / "checkpoints").unlink()
    (tmp_path / "aside").rename(folder)
    assert attempt(tiny(), folder, sink=Recorder(), control=InterruptAfter(100)).ending is Ending.COMPLETED


def test_what_is_being_written_is_not_taken_for_a_leftover(tmp_path: Path) -> None:
    left, used = tmp_path / "step-1.pt.partial", tmp_path / "step-2.pt.partial"
    left.write_bytes(b"half")
    with used.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert remove_unfinished(tmp_path) == [left]
        assert used.exists()
    assert remove_unfinished(tmp_path) == [used]


def test_ranks_stay_together_where_a_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    recorder = Obstructing(folder, first=3, last=9)
    run_to_end(tiny(batch=192, devices=3, device="cpu"), folder, sink=recorder)
    assert recorder.checkpoints[-1].step == recorder.points[-1].step


def test_a_saved_checkpoint_is_told_only_when_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"

    class Looking(Recorder):
        def checkpoint(self, saved: SavedCheckpoint) -> None:
            super().checkpoint(saved)
            assert load(saved.path).step == saved.step

    run_to_end(tiny(), folder, sink=Looking())
