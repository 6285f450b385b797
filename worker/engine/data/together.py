"""What several ranks have to know of each other's images."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing

import torch

from worker.engine.data.errors import DataUnreadable
from worker.engine.data.images import Batch
from worker.engine.ranks import Ranks

Batches = Generator[Batch, None, None]


def together(batches: Batches, ranks: Ranks) -> Batches:
    """`batches`, of which all ranks have equally many; DataUnreadable of one is raised on all, at the same batch.

    So they can write their checkpoint, for which all are needed.
    """
    if ranks.count == 1:
        yield from batches
        return
    with closing(batches):
        while True:
            trouble, batch = [], None
            try:
                batch = next(batches, None)
            except DataUnreadable as error:
                trouble.append(str(error))
            for reason in gathered_texts(trouble, ranks):
                raise DataUnreadable(reason)
            if batch is None:
                return
            yield batch


def damaged_of(batch: Batch) -> tuple[str, ...]:
    return batch.damaged


def faint_of(batch: Batch) -> tuple[str, ...]:
    return batch.faint


class DamageLog:
    """Which files could not be decoded, or what else `of` says of a batch's files.

    Each is told of once; in a run, too, as its checkpoints take `told` along. After a kill those may be told again that
    were told since the last checkpoint, for what is trained again is told again.
    """

    def __init__(self, ranks: Ranks, *, of: Callable[[Batch], tuple[str, ...]] = damaged_of) -> None:
        self._of = of
        self.told: list[str] = []
        self._ranks = ranks
        self._new: dict[str, None] = {}
        self._known: set[str] = set()

    def restore(self, told: Iterable[str]) -> None:
        self.told = list(told)
        self._known = set(self.told)

    def noted(self, batches: Batches) -> Batches:
        with closing(batches):
            for batch in batches:
                self._new.update(dict.fromkeys(self._of(batch)))
                yield batch

    def news(self) -> list[str]:
        """A sentence for each file that any rank has met since it was last asked. Every rank has to ask."""
        found = gathered_texts([text for text in self._new if text not in self._known], self._ranks)
        self._new.clear()
        fresh = [text for text in dict.fromkeys(found) if text not in self._known]
        self._known.update(fresh)
        self.told.extend(fresh)
        return fresh


def gathered_texts(texts: list[str], ranks: Ranks) -> list[str]:
    """Those of all ranks, on all of them, by rank. Every rank has to ask; with nothing to tell it is one number."""
    if ranks.count == 1:
        return texts
    told = "\0".join(texts).encode()
    lengths = ranks.gather(torch.tensor([len(told)])).flatten().tolist()
    if not any(lengths):
        return []
    own = torch.zeros(max(lengths), dtype=torch.uint8)
    own[: len(told)] = torch.tensor(list(told), dtype=torch.uint8)
    rows = ranks.gather(own)
    said = [bytes(row[:length].tolist()).decode() for row, length in zip(rows, lengths, strict=True)]
    return [text for texts in said if texts for text in texts.split("\0")]
