"""What a run is and what is wanted of it, and the table of changes that are allowed."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """The statuses that are stored; "pausing" and "stopping" are only shown (see `shown_status`)."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_live(self) -> bool:
        """Does a worker hold it?"""
        return self in (RunStatus.STARTING, RunStatus.RUNNING)

    @property
    def is_final(self) -> bool:
        """Will it change no more unless somebody asks?"""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.STOPPED)


class Desired(StrEnum):
    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"


class Actor(StrEnum):
    """Who asks for a change of status."""

    API = "api"
    CONTROLLER = "controller"
    HOLDER = "holder"


_Q, _S, _R, _P = RunStatus.QUEUED, RunStatus.STARTING, RunStatus.RUNNING, RunStatus.PAUSED
_C, _F, _X = RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.STOPPED

#: Who may change what into what. Anything that is not here is refused.
TRANSITIONS: dict[tuple[RunStatus, RunStatus], frozenset[Actor]] = {
    (_P, _Q): frozenset({Actor.API}),
    (_F, _Q): frozenset({Actor.API}),
    (_X, _Q): frozenset({Actor.API}),
    (_Q, _P): frozenset({Actor.API}),
    (_Q, _X): frozenset({Actor.API}),
    (_P, _X): frozenset({Actor.API}),
    (_Q, _S): frozenset({Actor.CONTROLLER}),
    (_S, _R): frozenset({Actor.HOLDER}),
    **{(live, _P): frozenset({Actor.HOLDER, Actor.CONTROLLER}) for live in (_S, _R)},
    **{(live, _Q): frozenset({Actor.HOLDER, Actor.CONTROLLER}) for live in (_S, _R)},
    **{(live, _X): frozenset({Actor.HOLDER, Actor.CONTROLLER}) for live in (_S, _R)},
    **{(live, _C): frozenset({Actor.HOLDER}) for live in (_S, _R)},
    **{(live, _F): frozenset({Actor.HOLDER, Actor.CONTROLLER}) for live in (_S, _R)},
}


def is_allowed(before: RunStatus, after: RunStatus, actor: Actor) -> bool:
    return actor in TRANSITIONS.get((before, after), frozenset())


def shown_status(status: RunStatus, desired: Desired) -> str:
    """What a page shows: a live run whose wish differs is "pausing" or "stopping"."""
    if status.is_live and desired is Desired.PAUSE:
        return "pausing"
    if status.is_live and desired is Desired.STOP:
        return "stopping"
    return status.value
