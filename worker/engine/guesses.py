"""What the trained network guesses of each validation image, collected in its last evaluation and kept in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worker.engine.atomic import write_bytes
from worker.engine.data.errors import shown_path
from worker.engine.data.images import UNREADABLE, Batch, Dataset
from worker.engine.ranks import Ranks
from worker.evidence.predictions import Predictions

MOST_GUESSES = 5
#: Of images without files, those guessed wrong are kept as well if they take no more than this.
MOST_PIXELS = 16 << 20


class GuessMeter:
    """The likeliest classes of each image of an evaluation. Nothing is read back from the device before `gathered`."""

    def __init__(self, dataset: Dataset, ranks: Ranks) -> None:
        self._images = len(dataset.val)
        self._guesses = min(MOST_GUESSES, len(dataset.classes))
        self._ranks = ranks
        self._batches: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, batch: Batch, logits: Tensor) -> None:
        likeliest = logits.detach().topk(self._guesses, dim=1).indices.int()
        self._batches.append((batch.indices, batch.labels, likeliest))

    def gathered(self) -> Tensor:
        """[images, 1 + guesses]: label and likeliest classes of each image, by all ranks, each of which has to ask."""
        most = -(-self._images // self._ranks.count)
        # All ranks hand over equally many rows; those of no image have the index -1.
        own = torch.full((most, 2 + self._guesses), -1, dtype=torch.int32)
        start = 0
        for indices, labels, likeliest in self._batches:
            end = start + len(indices)
            own[start:end, 0], own[start:end, 1], own[start:end, 2:] = indices, labels, likeliest.cpu()
            start = end
        rows = self._ranks.gather(own).flatten(0, 1)
        rows = rows[rows[:, 0] >= 0]
        table = torch.full((self._images, 1 + self._guesses), UNREADABLE, dtype=torch.int32)
        table[rows[:, 0].long()] = rows[:, 1:]
        return table


def keep_predictions(path: Path, table: Tensor, dataset: Dataset) -> None:
    """`table` is what GuessMeter has gathered. Raises OSError, and leaves what was there before."""
    labels, guesses = table[:, 0].numpy(), table[:, 1:].numpy()
    wrong = np.flatnonzero(guesses[:, 0] != labels)
    names, pixels = dataset.val.originals(wrong)
    is_kept = pixels is not None and pixels.nbytes <= MOST_PIXELS
    predictions = Predictions(
        guesses=guesses,
        labels=labels,
        classes=tuple(shown_path(name) for name in dataset.classes),
        images=dataset.fingerprint,
        names=names,
        kept=wrong if is_kept else None,
        pixels=pixels if is_kept else None,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, predictions.packed())
