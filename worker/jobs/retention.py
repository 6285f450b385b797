"""Which checkpoints of a run may be deleted: never one that SQL might still need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from worker.contract.messages import CheckpointRef


@dataclass(frozen=True)
class _Kept:
    path: str
    best: bool
    #: The number of the message that told of it; 0 for an earlier attempt's, which SQL has long had.
    seq: int = 0
    is_damaged: bool = False


class Retention:
    """Keeps the `newest` that are in SQL and the best; an own one has to be in SQL before anything goes."""

    def __init__(self, earlier: Iterable[CheckpointRef], *, newest: int) -> None:
        """`earlier`: of the attempts before, newest first."""
        self._newest = newest
        self._kept = [_Kept(ref.path, ref.best) for ref in reversed(list(earlier))]

    def note_saved(self, path: str, *, best: bool, seq: int) -> None:
        self._kept.append(_Kept(path, best, seq))

    def note_damaged(self, path: str) -> None:
        self._kept = [replace(kept, is_damaged=True) if kept.path == path else kept for kept in self._kept]

    def take_surplus(self, *, acknowledged_through: int) -> list[str]:
        """The paths to delete now; they are not named again."""
        surplus = self._surplus([kept for kept in self._kept if kept.seq <= acknowledged_through])
        self._kept = [kept for kept in self._kept if kept not in surplus]
        return [kept.path for kept in surplus]

    def waits(self) -> bool:
        """Is there something to delete as soon as all is in SQL?"""
        return bool(self._surplus(self._kept))

    def _surplus(self, in_sql: list[_Kept]) -> list[_Kept]:
        if not any(kept.seq for kept in in_sql):
            return []
        sound = [kept for kept in in_sql if not kept.is_damaged]
        best = [kept for kept in sound if kept.best]
        return [kept for kept in in_sql if kept not in (*sound[-self._newest :], *best[-1:])]
