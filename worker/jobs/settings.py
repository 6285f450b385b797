"""Where a worker finds Redis, keeps its files and how long it waits; read from the environment once, at its start."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worker.common.disk import Reserve

DEFAULT_HOME = "~/.resdrop"
TRAINER_COMMAND = (sys.executable, "-P", "-m", "worker.jobs.trainer")


@dataclass(frozen=True)
class Settings:
    """`redis_url` is in redis-py's form (redis://, rediss:// or unix://). Times are in seconds."""

    redis_url: str
    #: The storage root: checkpoints and logs, mounted on every machine that shall resume its runs.
    files: Path
    #: This worker's own folder on a local disk: its name and the spools.
    state: Path
    #: The slots to offer, such as "cuda:0,cuda:1" or "cpu:0,cpu:1"; None finds out.
    devices: str | None = None
    trainer_command: tuple[str, ...] = TRAINER_COMMAND
    #: A trainer that reports no step for so long is ended.
    stall_seconds: float = 600.0
    #: What a trainer may take from being asked to pause until it is gone.
    grace_seconds: float = 30.0
    #: How long a worker that shuts down waits for the controller to take its last messages.
    farewell_seconds: float = 20.0
    #: What has to stay free on the disks of checkpoints and spools.
    disk_reserve: Reserve = field(default_factory=Reserve)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Raises ValueError naming the variable, its value and the remedy."""
        home = Path(environment.get("RESDROP_HOME") or DEFAULT_HOME).expanduser().absolute()
        return cls(
            redis_url=environment.get("RESDROP_REDIS_URL") or f"unix://{home / 'redis' / 'redis.sock'}?db=0",
            files=Path(environment.get("RESDROP_FILES") or home / "files").absolute(),
            state=Path(environment.get("RESDROP_WORKER_STATE") or home / "worker").absolute(),
            devices=environment.get("RESDROP_DEVICES") or None,
            trainer_command=_command(environment),
            stall_seconds=_seconds(environment, "RESDROP_STALL_SECONDS", cls.stall_seconds),
            grace_seconds=_seconds(environment, "RESDROP_GRACE_SECONDS", cls.grace_seconds),
            farewell_seconds=_seconds(environment, "RESDROP_FAREWELL_SECONDS", cls.farewell_seconds),
            disk_reserve=Reserve.from_environment(environment),
        )


def _command(environment: Mapping[str, str]) -> tuple[str, ...]:
    """RESDROP_TRAINER_COMMAND puts another program in the trainer's place, a profiler around it for one."""
    text = environment.get("RESDROP_TRAINER_COMMAND")
    return tuple(shlex.split(text)) if text else TRAINER_COMMAND


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} {text!r} is no time; give seconds above 0, such as {default:g}")
    return value
