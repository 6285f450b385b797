"""What one trained network guesses of each validation image: the file that a run keeps, and how it is read."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FILE_NAME = "predictions.npz"
VERSION = 1
#: Where the images come from, which only some readers need.
ImageSource = Literal["names", "kept", "pixels"]


class PredictionsUnreadable(ValueError):
    """The file is no such file, or not whole; says which and why."""


@dataclass(frozen=True)
class Predictions:
    """Of the evaluation after the last epoch, in the order of the validation images.

    `guesses` [images, up to 5] are indices into `classes`, likeliest first. `labels` [images] are the true ones, below
    0 for an image that could not be decoded, which counts as guessed wrong. `images` is the fingerprint of the exact
    images. `names` [images] are the files below the validation folder, as bytes; None for images without files, of
    which those that were guessed wrong are kept instead: `pixels` [kept, channels, height, width] as bytes, and `kept`
    their indices.
    """

    guesses: npt.NDArray[np.integer[Any]]
    labels: npt.NDArray[np.integer[Any]]
    classes: tuple[str, ...]
    images: str
    names: npt.NDArray[np.bytes_] | None = None
    kept: npt.NDArray[np.integer[Any]] | None = None
    pixels: npt.NDArray[np.uint8] | None = None

    @property
    def is_right(self) -> npt.NDArray[np.bool_]:
        """[images]: is the likeliest class the true one?"""
        right: npt.NDArray[np.bool_] = self.guesses[:, 0] == self.labels
        return right

    def packed(self) -> bytes:
        """As numpy's .npz, which holds no code."""
        import numpy as np

        about = {"version": VERSION, "images": self.images, "classes": list(self.classes)}
        small = np.uint16 if len(self.classes) <= np.iinfo(np.uint16).max else np.int32
        members: dict[str, Any] = {
            "about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
            "guesses": self.guesses.astype(small),
            "labels": self.labels.astype(np.int32),
        }
        optional = {"names": self.names, "kept": self.kept, "pixels": self.pixels}
        members |= {name: array for name, array in optional.items() if array is not None}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **members)
        return buffer.getvalue()


def read_predictions(path: Path, *, also: Sequence[ImageSource] = ()) -> Predictions:
    """Names and pixels only where asked for. Raises OSError, and PredictionsUnreadable for what is no such file."""
    import numpy as np

    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            if about["version"] != VERSION:
                raise ValueError(f"it is of version {about['version']}, and {VERSION} is read here")
            found = Predictions(
                guesses=file["guesses"],
                labels=file["labels"],
                classes=tuple(about["classes"]),
                images=about["images"],
                **{name: file[name] for name in also if name in file},
            )
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise PredictionsUnreadable(f"{path.name} is no file of predictions, or not whole ({error})") from error
    if found.guesses.ndim != 2 or found.labels.shape != found.guesses.shape[:1]:
        raise PredictionsUnreadable(f"{path.name} has {found.guesses.shape} guesses of {found.labels.shape} labels")
    return found
