"""Batches on their way to the device while it still computes the one before."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import cache

import torch

from worker.engine.data.images import Batch

Batches = Generator[Batch, None, None]


def on_device(batches: Batches, device: torch.device) -> Batches:
    """Images and labels on the device, indices on the CPU. On a CPU, `batches` as they are.

    The host asks for the next batch as soon as it has queued the work on this one, so a copy on a stream of its own
    runs beside that work. It takes pinned memory, from which copies need not wait.
    """
    if device.type != "cuda":
        yield from batches
        return
    copies = _copying_stream(device)
    with closing(batches):
        for batch in batches:
            with torch.cuda.stream(copies):
                images = batch.images.to(device, non_blocking=True)
                labels = batch.labels.to(device, non_blocking=True)
            work = torch.cuda.current_stream(device)
            work.wait_stream(copies)
            # Their memory belongs to the copying stream, which must not have it back before the work on it is done.
            images.record_stream(work)
            labels.record_stream(work)
            yield batch._replace(images=images, labels=labels)


@cache
def _copying_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all loaders of this process, because memory that one stream has used is kept for that stream."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
