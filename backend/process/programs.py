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


def parts(*, with_redis: bool) -> list[Program]:
    """In the order of their start; they stop in the opposite one, so that each can still say its last words."""
    return [*([REDIS] if with_redis else []), API, CONTROLLER, WORKER]


def configuration(programs: Sequence[Program], logs: Path) -> str:
    """supervisord's file, to be read with the home as current folder. `logs` is relative to it."""
    sections = [_SUPERVISOR.format(logs=logs)]
    sections += [_section(program, order, logs) for order, program in enumerate(programs)]
    return "\n".join(sections)


_SUPERVISOR = """\
[supervisord]
nodaemon = true
silent = true
logfile = {logs}/supervisor.log
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = supervisor.pid
nocleanup = true
minfds = 256
minprocs = 16
umask = 077
"""


def _section(program: Program, order: int, logs: Path) -> str:
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
stdout_logfile_maxbytes = 5MB
stdout_logfile_backups = 3
"""
