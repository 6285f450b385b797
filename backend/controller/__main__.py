"""`python -m backend.controller`: the controller as a process. SIGTERM and SIGINT end it once the stream is drained."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from sqlalchemy.exc import SQLAlchemyError

from backend.controller.controller import Controller
from backend.controller.lock import ControllerLock, lock_of
from backend.db.migrate import upgrade
from backend.db.session import Database
from backend.disk import ServiceDisk
from backend.doorbell import connect
from backend.errors import ResDropError
from backend.process.privacy import PRIVATE_UMASK
from backend.settings import Settings

LOCK_RETRY_SECONDS = 0.5

log = logging.getLogger("backend.controller")


def main() -> int:
    os.umask(PRIVATE_UMASK)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("backend").setLevel(logging.INFO)
    try:
        settings = Settings.from_environment()
        connect(settings.redis_url).close()
    except ValueError as error:
        log.error("%s", error)
        return 2
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        serve(settings, stopping)
    except ResDropError as error:
        log.error("%s", error)
        return 2
    return 0


def serve(settings: Settings, stopping: threading.Event) -> None:
    """Controls for as long as it is the only one; otherwise waits for its turn."""
    database = Database(settings.database_url)
    lock = lock_of(database)
    try:
        while _take(lock, database, stopping):
            controller = Controller(database, redis_url=settings.redis_url, disk=ServiceDisk.of(settings))
            log.info("controlling")
            try:
                controller.run(stopping, is_alone=lock.is_held)
            finally:
                controller.close()
                lock.release()
    finally:
        database.close()


def _take(lock: ControllerLock, database: Database, stopping: threading.Event) -> bool:
    """Waits for the lock and a database of this version; False when it is time to end instead.

    Raises ResDropError where the database is of a version that this one does not know.
    """
    told = ""
    while not stopping.is_set():
        try:
            if lock.take():
                upgrade(database)
                return True
            why = "another controller is at work; waiting for its place"
        except SQLAlchemyError as error:
            lock.release()
            why = f"the database is away; waiting for it: {error}"
        if why != told:
            log.info("%s", why)
        told = why
        stopping.wait(LOCK_RETRY_SECONDS)
    return False


if __name__ == "__main__":
    sys.exit(main())
