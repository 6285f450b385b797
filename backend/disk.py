"""The disk of database and Redis: what is said of it, and when the runs have to make way for what must be written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backend.settings import Settings
from worker.common.disk import Reserve, Room, room_at, shown_size

#: Shares of the reserve: what has to be free before anything is started again, and below which one should know.
_START_SHARE, _WARN_SHARE = 1.5, 3.0


@dataclass(frozen=True)
class ServiceDisk:
    """`folders` are those on this machine that database and Redis write to; none where both are elsewhere."""

    folders: tuple[Path, ...]
    reserve: Reserve

    @classmethod
    def of(cls, settings: Settings) -> ServiceDisk:
        folders = []
        if settings.database_url.startswith("sqlite:///"):
            folders.append(Path(settings.database_url.removeprefix("sqlite:///")).parent)
        if (settings.home / "redis" / "redis.conf").is_file():
            folders.append(settings.home / "redis")
        return cls(tuple(folders), settings.disk_reserve)

    def eviction(self) -> str | None:
        """Why every run should write its checkpoint and wait; None where there is room."""
        return self._short_of(1.0, "runs are checkpointed and wait until there is room")

    def no_start(self) -> str | None:
        """Why nothing is started at the moment."""
        return self._short_of(_START_SHARE, "no run is started until there is room")

    def warning(self) -> str | None:
        """What to say before it comes to that."""
        return self._short_of(_WARN_SHARE, "it is getting full")

    def _short_of(self, share: float, consequence: str) -> str | None:
        for room in self._rooms():
            wanted = int(share * self.reserve.bytes_of(room.total_bytes))
            if room.lacks(wanted):
                needs = room if room.is_out_of_inodes else f"{room} and {shown_size(wanted)} are to stay free"
                return f"{needs}: {consequence}; {room.remedy}"
        return None

    def _rooms(self) -> list[Room]:
        found = []
        for folder in self.folders:
            try:
                found.append(room_at(folder))
            except OSError:
                continue
        return found
