"""Events of the parts as lines for a person; `up` tells them as they happen and `down` those of the end."""

from __future__ import annotations

import time
from collections.abc import Callable

from backend.process.events import Event, Happening
from worker.common.duration import duration

#: Why a part may take its time to end.
_LAST_DUTIES = {
    "worker": ": training is checkpointed first",
    "controller": ": it takes the workers' last messages first",
}


class Story:
    """Remembers what was told, so that a second start is told as one, and a stop with the time that it took."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._seen: set[str] = set()
        self._stopping: dict[str, float] = {}
        #: Deaths in a row of each part, each soon after its start.
        self.deaths: dict[str, int] = {}

    @property
    def waiting_for(self) -> list[str]:
        """The parts that were asked to end and have not."""
        return list(self._stopping)

    def tell(self, event: Event) -> None:
        self._say(f"{event.program:<11}{self._words(event)}")

    def _words(self, event: Event) -> str:
        match event.what:
            case Happening.STARTED:
                return self._start(event)
            case Happening.DIED:
                return self._death(event)
            case Happening.STOPPING:
                self._stopping[event.program] = time.monotonic()
                return "stopping" + _LAST_DUTIES.get(event.program, "")
            case Happening.STOPPED:
                return self._stop(event)
            case Happening.NOTED:
                return event.detail

    def _start(self, event: Event) -> str:
        again = " again" if event.program in self._seen else ""
        self._seen.add(event.program)
        return f"started{again} (process {event.pid})"

    def _death(self, event: Event) -> str:
        self.deaths[event.program] = event.deaths
        when = f"in {event.again_in_seconds:g} s" if event.again_in_seconds else "now"
        return f"died ({event.detail}); starting it again {when} (log: logs/{event.program}.log)"

    def _stop(self, event: Event) -> str:
        since = self._stopping.pop(event.program, None)
        took = f" after {duration(time.monotonic() - since)}" if since is not None else ""
        forced = f" ({event.detail})" if event.detail.startswith("killed by SIGKILL") else ""
        return f"stopped{took}{forced}"
