"""`python -m worker.jobs`: the worker of this machine."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from types import FrameType

from celery.worker import state as celery_state

from worker.common.signals import Received, heeded
from worker.jobs.celery_app import make_app, make_worker
from worker.jobs.connection import connect
from worker.jobs.devices import Slots, find_slots
from worker.jobs.identity import alone_in, identify
from worker.jobs.settings import Settings
from worker.jobs.station import Station

_KILLED = 1
_UNUSABLE = 2
_UP_PID = "RESDROP_UP_PID"

log = logging.getLogger("worker.jobs")


def main() -> int:
    """Runs until it is told to end; returns the exit status."""
    # Checkpoints, logs and spools are this account's alone, the trainers' as well.
    os.umask(0o077)
    _set_up_logging()
    try:
        settings = Settings.from_environment()
        with alone_in(settings.state):
            return _work(settings)
    except (ValueError, OSError) as error:
        log.error("the worker cannot start: %s", error)
        return _UNUSABLE


def _work(settings: Settings) -> int:
    identity = identify(state=settings.state, files=settings.files)
    slots = Slots(find_slots(settings.devices))
    station = Station(connect(settings.redis_url), settings=settings, identity=identity, slots=slots)
    app = make_app(settings, hear=station.hear, set_aside=station.set_aside)
    celery_worker = make_worker(app, slots=len(slots.all), begin_closing=station.begin_closing)
    _end_on_signals(station)
    if station.open():
        log.info("worker %s offers %s", identity.worker_id, ", ".join(slots.names()))
        celery_worker.start()
    station.close()
    log.info("worker %s has ended", identity.worker_id)
    return int(celery_worker.exitcode or 0)


def _end_on_signals(station: Station) -> None:
    """The first signal lets every training write its checkpoint; a second SIGTERM, or SIGQUIT, waits for nothing.

    Under `up` a second one is no more than the same wish: a scheduler tells every process, and `up` hands it on.
    """
    received, is_supervised = Received(), _UP_PID in os.environ

    def close(number: int, _: FrameType | None) -> None:
        received.note(number, now=time.monotonic())
        if number == signal.SIGQUIT or (received.insists and not is_supervised):
            station.kill_trainers()
            os._exit(_KILLED)
        station.begin_closing()
        celery_state.should_stop = os.EX_OK

    for number in (*heeded(), signal.SIGQUIT):
        signal.signal(number, close)


def _set_up_logging() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("celery", "kombu"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
