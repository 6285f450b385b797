"""Fetches batches, in this process or in others beside it; which, changes nothing in what comes."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterable, Iterator

import torch
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as MapDataset

from worker.engine.data.errors import DataError
from worker.engine.data.images import Augmentation, Batch, Images
from worker.engine.data.order import Request


def batches(
    images: Images, requests: Iterable[Request], *, augmentation: Augmentation, workers: int, pin_memory: bool = False
) -> Generator[Batch, None, None]:
    """The batches of `requests`, in their order. Raises DataError for an image that cannot be read.

    Closing the generator ends its loader processes.
    """
    loader = DataLoader(
        _Fetcher(images, augmentation),
        sampler=_Requests(requests),
        batch_size=None,
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_leave_signals_to_the_parent,
        # The loader draws a seed for its processes; from its own generator, so that nothing else's moves.
        generator=torch.Generator(),
    )
    for fetched in loader:
        if isinstance(fetched, DataError):
            raise fetched
        yield fetched


class _Requests(Sampler[Request]):
    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = requests

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests)


class _Fetcher(MapDataset[Batch | DataError]):
    def __init__(self, images: Images, augmentation: Augmentation) -> None:
        self._images = images
        self._augmentation = augmentation

    def __getitem__(self, request: Request) -> Batch | DataError:
        """An error is handed over as a value: raised in a loader process it would arrive as a traceback in a text."""
        try:
            if request.epoch is None:
                return self._images.plain(request.indices)
            return self._images.augmented(request.indices, epoch=request.epoch, augmentation=self._augmentation)
        except DataError as error:
            return error


def _leave_signals_to_the_parent(_worker: int) -> None:
    """A signal often reaches the whole group; the parent writes its checkpoint and then ends its loader processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
