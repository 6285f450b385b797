"""Fetches batches, in this process or in others beside it; which, changes nothing in what comes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as MapDataset

from worker.engine.data.errors import DataError, DataUnreadable
from worker.engine.data.images import Augmentation, Batch, Images, Indices
from worker.engine.data.order import Request
from worker.engine.signals import leave_signals_to_another


def batches(
    images: Images,
    requests: Iterable[Request],
    *,
    augmentation: Augmentation,
    workers: int,
    pin_memory: bool = False,
    piped: bool = False,
) -> Generator[Batch, None, None]:
    """The batches of `requests`, in their order. Raises DataUnreadable for images that can no longer be had.

    Loader processes hand them over in shared memory, or through a pipe where `piped`. Closing the generator ends them.
    """
    loader = DataLoader(
        _Fetcher(images, augmentation, piped=piped and workers > 0),
        sampler=_Requests(requests),
        batch_size=None,
        collate_fn=_as_it_is,
        num_workers=workers,
        pin_memory=pin_memory and not piped,
        worker_init_fn=_leave_signals_to_the_parent,
        # The loader draws a seed for its processes; from its own generator, so that nothing else's moves.
        generator=torch.Generator(),
    )
    for fetched in _watched(loader):
        if isinstance(fetched, DataError):
            raise fetched
        batch = fetched.unpacked() if isinstance(fetched, _Piped) else fetched
        yield _pinned(batch) if pin_memory and piped else batch


class _Piped(NamedTuple):
    """A batch as numpy arrays, which are pickled into the pipe where tensors would go through shared memory.

    The pixels are [N, S, S, 3]: in their own order, so that none has to move.
    """

    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    labels: Indices
    indices: Indices
    damaged: tuple[str, ...]
    faint: tuple[str, ...]

    @classmethod
    def packed(cls, batch: Batch) -> _Piped:
        pixels = batch.images.permute(0, 2, 3, 1).contiguous().numpy()
        return cls(pixels, batch.labels.numpy(), batch.indices.numpy(), batch.damaged, batch.faint)

    def unpacked(self) -> Batch:
        images = torch.from_numpy(self.pixels).permute(0, 3, 1, 2)
        labels, indices = torch.from_numpy(self.labels), torch.from_numpy(self.indices)
        return Batch(images, labels, indices, self.damaged, self.faint)


class _Requests(Sampler[Request]):
    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = requests

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests)


class _Fetcher(MapDataset[Batch | _Piped | DataError]):
    def __init__(self, images: Images, augmentation: Augmentation, *, piped: bool) -> None:
        self._images = images
        self._augmentation = augmentation
        self._piped = piped

    def __getitem__(self, request: Request) -> Batch | _Piped | DataError:
        """An error is handed over as a value: raised in a loader process it would arrive as a traceback in a text."""
        try:
            batch = self._fetched(request)
        except DataError as error:
            return error
        return _Piped.packed(batch) if self._piped else batch

    def _fetched(self, request: Request) -> Batch:
        if request.epoch is None:
            return self._images.plain(request.indices)
        return self._images.augmented(request.indices, epoch=request.epoch, augmentation=self._augmentation)


def _watched(loader: Iterable[Batch | _Piped | DataError]) -> Iterator[Batch | _Piped | DataError]:
    """Raises DataUnreadable where a loader process was killed, as by a machine that is out of memory."""
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataUnreadable(
            f"a loader process was ended from outside ({str(error).splitlines()[0]}); "
            "lower loader_workers if the machine ran out of memory, then resume"
        ) from error


def _as_it_is(fetched: Any) -> Any:
    """torch's own conversion would turn numpy arrays into tensors, in the loader process."""
    return fetched


def _pinned(batch: Batch) -> Batch:
    return batch._replace(images=batch.images.pin_memory(), labels=batch.labels.pin_memory())


def _leave_signals_to_the_parent(_worker: int) -> None:
    """It writes its checkpoint, and then ends its loader processes."""
    leave_signals_to_another()
