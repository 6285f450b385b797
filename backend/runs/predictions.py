"""What a run's trained network guesses of each validation image, and what these images look like."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

from sqlalchemy.orm import Session

from backend.db.tables import Run
from backend.errors import NotFound
from backend.runs.files import path_below
from worker.evidence.predictions import FILE_NAME, Predictions, PredictionsUnreadable, read_predictions

#: The longer side of a thumbnail, in pixels.
SIDE = 160
MEDIA_TYPE = "image/webp"
#: An image beyond it is not opened for a thumbnail.
MOST_FILE_BYTES = 64 << 20


def predictions_path(files: Path, run_id: str) -> Path | None:
    """Of the newest attempt that has come to its end; None where this machine has none."""
    folder = path_below(files, f"runs/{run_id}")
    if folder is None:
        return None
    attempts = [path for path in folder.glob("attempt-*") if path.name.removeprefix("attempt-").isdecimal()]
    for attempt in sorted(attempts, key=lambda path: int(path.name.removeprefix("attempt-")), reverse=True):
        found = path_below(files, f"runs/{run_id}/{attempt.name}/{FILE_NAME}")
        if found is not None and found.is_file():
            return found
    return None


def known_predictions_path(session: Session, files: Path, run_id: str) -> Path:
    """Raises NotFound where there is no such run, or its predictions are not here."""
    if not run_id.isprintable() or session.get(Run, run_id) is None:
        raise NotFound(f"there is no run {run_id!r}")
    found = predictions_path(files, run_id)
    if found is None:
        raise NotFound(
            f"the predictions of run {run_id} are not here: they are kept when a training comes to its end, on the "
            "storage of its worker"
        )
    return found


def validation_folder(session: Session, run_id: str) -> Path | None:
    """None for images without files."""
    data_dir = session.get_one(Run, run_id).config.get("data_dir")
    return Path(data_dir) / "val" if data_dir else None


def thumbnail(path: Path, folder: Path | None, index: int) -> bytes:
    """Of one validation image as MEDIA_TYPE, by the predictions at `path` and, where it is a file, from `folder`.

    To be called outside a transaction, for that may be on the network. Raises NotFound.
    """
    try:
        predictions = read_predictions(path, also=("names", "kept", "pixels"))
    except (OSError, PredictionsUnreadable) as error:
        raise NotFound(f"the predictions cannot be read: {error}") from error
    if not 0 <= index < len(predictions.labels):
        raise NotFound(f"there is no validation image {index}; they are 0 to {len(predictions.labels) - 1}")
    return _from_pixels(predictions, index) if predictions.names is None else _from_file(predictions, folder, index)


def _from_pixels(predictions: Predictions, index: int) -> bytes:
    """At its own size, without loss."""
    import numpy as np
    from PIL import Image

    if predictions.kept is None or predictions.pixels is None or index not in predictions.kept:
        raise NotFound(f"the pixels of validation image {index} are not kept: of this run only of those guessed wrong")
    pixels = predictions.pixels[int(np.flatnonzero(predictions.kept == index)[0])].transpose(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def _from_file(predictions: Predictions, folder: Path | None, index: int) -> bytes:
    """Made smaller, and coded anew: what is no image is never sent on."""
    from PIL import Image

    assert predictions.names is not None
    name = os.fsdecode(bytes(predictions.names[index]))
    missing = NotFound(f"the file of validation image {index} is not on this machine, or is no image that is read here")
    if folder is None or ".." in Path(name).parts or Path(name).is_absolute():
        raise missing
    path = folder / name
    buffer = io.BytesIO()
    try:
        if not path.is_file() or path.stat().st_size > MOST_FILE_BYTES:
            raise missing
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.draft("RGB", (SIDE, SIDE))
                image.thumbnail((SIDE, SIDE))
                image.convert("RGB").save(buffer, "WEBP", quality=80)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise missing from error
    return buffer.getvalue()
