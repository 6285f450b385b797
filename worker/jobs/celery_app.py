"""The Celery side of a worker: one task on one queue, and nothing that Celery would have to remember."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.worker import WorkController

from worker.contract import names
from worker.jobs.connection import SOCKET_TIMEOUT_SECONDS, celery_url
from worker.jobs.ring_transport import RingCelery, SetAside
from worker.jobs.settings import Settings


def make_app(settings: Settings, *, hear: Callable[[str], None], set_aside: SetAside) -> Celery:
    """The app whose one task hands a ring's content to `hear`; what is no ring goes to `set_aside`."""
    app = RingCelery("resdrop", broker=celery_url(settings.redis_url))
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_default_queue=names.TRAIN_QUEUE,
        # Acknowledged when it is heard: a ring that is lost is repeated, one that comes twice would train twice.
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A Redis that answers with an error (its disk is full, it is a replica) is waited for like one that is away.
        broker_channel_error_retry=True,
        broker_transport_options={
            "set_aside": set_aside,
            "socket_timeout": SOCKET_TIMEOUT_SECONDS,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 15,
        },
    )

    def train(*, ring: str) -> None:
        hear(ring)

    app.task(train, name=names.TRAIN_TASK)
    return app


class Worker(WorkController):  # type: ignore[misc]  # celery has no types
    """Celery's worker without its command line, signal handlers and logging; `start` blocks until it is shut down.

    Should it end for a reason of its own, the trainings have to end in order too: Celery waits for them, and
    meanwhile hears nothing.
    """

    def __init__(self, *, begin_closing: Callable[[], None], **options: Any) -> None:
        self._begin_closing = begin_closing
        super().__init__(**options)

    def stop(self, in_sighandler: bool = False, exitcode: int | None = None) -> None:
        self._begin_closing()
        super().stop(in_sighandler=in_sighandler, exitcode=exitcode)


def make_worker(app: Celery, *, slots: int, begin_closing: Callable[[], None]) -> Worker:
    """It has threads to spare beside those that train: rings that are turned away must never wait for one."""
    app.finalize()
    app.set_default()
    return Worker(
        begin_closing=begin_closing,
        app=app,
        pool="threads",
        concurrency=slots * 2 + 2,
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
    )
