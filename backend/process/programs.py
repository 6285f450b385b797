"""The parts that `up` starts on one machine, and the supervisor's configuration made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: A part that dies sooner after its start than this is started again with a growing pause.
SETTLED_SECONDS = 10


@dataclass(frozen=True)
class Program:
    """`command` is as a shell would read it, but %(ENV_X)s stands for an environment variable."""

    name: str
    command: str
    #: What it may take to end before it is killed.
    stop_seconds: int


# Paths come through the environment: the file has its own ideas of quoting. -P keeps the current folder, which holds
# a `worker` and a `redis` of its own, out of Python's path.
_PYTHON = '"%(ENV_RESDROP_UP_PYTHON)s" -P -m '

REDIS = Program("redis", '"%(ENV_RESDROP_UP_REDIS_SERVER)s" redis/redis.conf', stop_seconds=15)
API = Program("api", _PYTHON + "backend.serve", stop_seconds=10)
CONTROLLER = Program("controller", _PYTHON + "backend.controller", stop_seconds=25)
# A checkpoint may take 30 s and the farewell to the controller 20 s.
WORKER = Program("worker", _PYTHON + "worker.jobs", stop_seconds=75)
#: In the order of their start.
PART_NAMES = ("redis", "api", "controller", "worker")
_MOST_LOG_BYTES, _LEAST_LOG_BYTES = 5_000_000, 50_000


def parts(*, with_redis: bool) -> list[Program]:
    """In the order of their start; they stop in the opposite one, so that each can still say its last words."""
    return [*([REDIS] if with_redis else []), API, CONTROLLER, WORKER]


def configuration(programs: Sequence[Program], logs: Path, *, log_bytes: int = _MOST_LOG_BYTES) -> str:
    """supervisord's file, to be read with the home as current folder. `logs` is relative to it.

    A log file that has `log_bytes` is replaced, within bounds.
    """
    log_bytes = max(_LEAST_LOG_BYTES, min(log_bytes, _MOST_LOG_BYTES))
    sections = [_SUPERVISOR.format(logs=logs, log_bytes=log_bytes)]
    sections += [_section(program, order, logs, log_bytes) for order, program in enumerate(programs)]
    return "\n".join(sections)


_SUPERVISOR = """\
[supervisord]
nodaemon = true
silent = true
logfile = {logs}/supervisor.log
logfile_maxbytes = {log_bytes}
logfile_backups = 1
pidfile = supervisor.pid
nocleanup = true
minfds = 256
minprocs = 16
"""


def _section(program: Program, order: int, logs: Path, log_bytes: int) -> str:
    return f"""\
[program:{program.name}]
command = {program.command}
priority = {10 * (order + 1)}
autorestart = true
startsecs = {SETTLED_SECONDS}
startretries = 1000000
stopsignal = TERM
stopwaitsecs = {program.stop_seconds}
killasgroup = true
redirect_stderr = true
stdout_logfile = {logs}/{program.name}.log
stdout_logfile_maxbytes = {log_bytes}
stdout_logfile_backups = 3
"""
