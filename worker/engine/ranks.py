"""The processes that share each batch, one for each device, and what they tell each other.

Every collective has a fixed order and size, so a run that was resumed reduces as one that never stopped. DDP's own
reducer builds its buckets anew after the first step, which three or more ranks round differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from worker.engine.liveness import Watch

#: Gradients travel in parts of about this many numbers: 25 MB, as in DDP (Li et al. 2020).
BUCKET_NUMBERS = 25 * 2**20 // 4


@dataclass(frozen=True)
class Ranks:
    """This process's place among `count`, and among those of its machine. Alone, methods change nothing."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1
    #: For numbers that stay on the CPU; gloo, whatever the devices' own group is.
    words: dist.ProcessGroup | None = None
    #: Of what becomes of the others; None alone, and where the first rank sees to this process's end.
    watch: Watch | None = None

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def agree(self, number: int) -> int:
        """The first rank's number, on all. Every rank has to ask."""
        if self.count == 1:
            return number
        word = torch.tensor([number])
        dist.broadcast(word, src=0, group=self.words)
        return int(word)

    def tell(self, text: str = "") -> str:
        """The first rank's text, on all. Every rank has to ask."""
        letters = torch.tensor(list(text.encode()), dtype=torch.uint8)
        length = self.agree(len(letters))
        if self.count == 1 or not length:
            return text
        word = letters if self.is_first else torch.empty(length, dtype=torch.uint8)
        dist.broadcast(word, src=0, group=self.words)
        return bytes(word.tolist()).decode()

    def undisturbed(self) -> AbstractContextManager[None]:
        """In which this process is not ended because another rank is lost."""
        return nullcontext() if self.watch is None else self.watch.undisturbed()

    def gather(self, tensor: Tensor) -> Tensor:
        """[count, ...] on the CPU: every rank's `tensor`, on all. Waits for the device."""
        own = tensor.detach().cpu()
        if self.count == 1:
            return own[None]
        parts = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(parts, own.contiguous(), group=self.words)
        return torch.stack(parts)

    def sum_in_place(self, tensors: Iterable[Tensor]) -> None:
        """Adds up over the ranks, in buckets that depend only on the tensors' sizes and order."""
        if self.count == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            dist.all_reduce(flat)
            for tensor, part in zip(bucket, torch.split(flat, [tensor.numel() for tensor in bucket]), strict=True):
                tensor.copy_(part.view(tensor.shape))

    def take_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Copies the first rank's numbers to all."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)


ALONE = Ranks()


def _buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    numbers = 0
    for tensor in tensors:
        if bucket and numbers + tensor.numel() > BUCKET_NUMBERS:
            yield bucket
            bucket, numbers = [], 0
        bucket.append(tensor)
        numbers += tensor.numel()
    if bucket:
        yield bucket
