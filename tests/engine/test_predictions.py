"""What the trained network guesses of each validation image is kept with the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.parts import InterruptAfter, Recorder, attempt, tiny
from tests.engine.small_folders import SMALL_FOLDER, folder_of
from worker.engine.checkpoint import load, newest_first
from worker.engine.outcome import Ending
from worker.engine.ports import NullControl
from worker.engine.trainer import train
from worker.evidence.predictions import Predictions, read_predictions

ROUNDING = 1e-9
PARTS = ("names", "kept", "pixels")


def trained(folder: Path, **changes: Any) -> tuple[Recorder, Predictions]:
    recorder = Recorder()
    config = tiny(epochs=1, warmup_epochs=0, **changes)
    path = folder / "predictions.npz"
    train(config, sink=recorder, control=NullControl(), checkpoints=folder / "checkpoints", predictions=path)
    return recorder, read_predictions(path, also=PARTS)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorder, Predictions]:
    return trained(tmp_path_factory.mktemp("alone"))


def accuracies(kept: Predictions) -> tuple[float, float]:
    hits = kept.guesses == kept.labels[:, None]
    return 100 * float(hits[:, 0].mean()), 100 * float(hits.any(1).mean())


def test_the_guesses_are_those_of_the_last_evaluation(alone: tuple[Recorder, Predictions]) -> None:
    recorder, kept = alone
    measured = [recorder.values(name)[-1] for name in ("val/top1", "val/top5")]
    assert accuracies(kept) == pytest.approx(measured, abs=ROUNDING)
    assert kept.guesses.shape == (len(kept.labels), 5)
    assert kept.classes == tuple("0123456789")


def test_images_without_files_are_kept_where_they_were_guessed_wrong(alone: tuple[Recorder, Predictions]) -> None:
    _, kept = alone
    assert kept.names is None
    assert kept.kept is not None
    assert kept.pixels is not None
    assert np.array_equal(kept.kept, np.flatnonzero(~kept.is_right))
    assert kept.pixels.shape == (len(kept.kept), 1, 8, 8)


def test_images_with_files_are_named_and_an_unreadable_one_counts_as_wrong(tmp_path: Path) -> None:
    """On two ranks, of which the second has an image less."""
    data = folder_of(tmp_path / "images", ["cat", "café"])
    (data / "val" / "cat" / "1.png").unlink()
    (data / "val" / "cat" / "2.png").write_bytes(b"no image")
    recorder, kept = trained(tmp_path / "run", data_dir=str(data), devices=2, device="cpu", **SMALL_FOLDER)
    assert kept.names is not None
    assert kept.pixels is None
    assert [name.decode() for name in kept.names[3:5]] == ["café/3.png", "cat/0.png"]
    assert kept.labels.tolist() == [0, 0, 0, 0, 1, -100, 1]
    assert kept.guesses.shape == (7, 2)
    assert accuracies(kept)[0] == pytest.approx(recorder.values("val/top1")[-1], abs=ROUNDING)


def test_a_run_that_was_interrupted_keeps_its_guesses_when_it_ends(tmp_path: Path) -> None:
    config = tiny(epochs=1, warmup_epochs=0)
    #: 5 steps ask, and then the last evaluation.
    assert attempt(config, tmp_path, sink=Recorder(), control=InterruptAfter(6)).ending is Ending.PAUSED
    path = tmp_path / "predictions.npz"
    resume = load(newest_first(tmp_path)[0])
    train(config, sink=Recorder(), control=NullControl(), checkpoints=tmp_path, predictions=path, resume=resume)
    assert len(read_predictions(path).labels) == 360


def test_guesses_that_cannot_be_kept_are_told_and_end_nothing(tmp_path: Path) -> None:
    recorder = Recorder()
    path = tmp_path / "predictions.npz"
    path.mkdir()
    outcome = train(
        tiny(epochs=1, warmup_epochs=0), sink=recorder, control=NullControl(), checkpoints=tmp_path, predictions=path
    )
    assert outcome.ending is Ending.COMPLETED
    assert any("predictions of the validation images are not kept" in notice for notice in recorder.notices)
