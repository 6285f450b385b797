"""kombu's Redis transport for the queue of rings: what is popped from it is read and written anew for Celery.

Celery and kombu trust what lies in the queue. A body that is `[]`, an envelope without headers or an element that is no
JSON raises far inside them, ends the worker, and the element is put back for the next worker. So each element is read
at the one place where it comes out of Redis; what is no ring is handed to `set_aside` and never reaches them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import redis
from celery import Celery
from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.transport import redis as kombu_redis

from worker.contract.names import SET_ASIDE_KEY, TRAIN_QUEUE
from worker.contract.rings import NoRing, deliverable, read_ring

#: Takes an element of the queue that is no ring, and why it is none. Called in Celery's main thread; must not block.
SetAside = Callable[[bytes, str], None]

#: Between two tries while Redis answers with an error.
_PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)


class _Client(redis.Redis):
    """A client whose BRPOP gives only rings."""

    def __init__(self, channel: _Channel, **options: Any) -> None:
        super().__init__(**options)
        self._channel = channel

    def parse_response(self, connection: Any, command_name: str | bytes, **options: Any) -> Any:
        """None for anything but a ring, as when nothing has come within BRPOP's time."""
        try:
            answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        except redis.ResponseError as error:
            if command_name == "PING" and "MISCONF" in str(error):
                return True  # it is there, and only has no room on its disk
            if command_name != "BRPOP":
                raise
            return self._channel.outlast(error)
        if command_name != "BRPOP":
            return answer
        self._channel.is_refused = False
        if not answer:
            return None
        queue, element = answer
        try:
            return queue, deliverable(read_ring(element)).encode()
        except NoRing as error:
            self._channel.set_aside(element, str(error))
            return None


class _Channel(kombu_redis.Channel):
    """Keeps nothing in Redis beside the queue itself, so that a Redis which is full or damaged holds up no ring."""

    #: A ring is acknowledged when it is heard (see celery_app), so nothing has to be kept to be put back.
    ack_emulation = False
    do_restore = False
    priority_steps = [0]  # noqa: RUF012 - as kombu has it
    from_transport_options = (*kombu_redis.Channel.from_transport_options, "set_aside")  # type: ignore[assignment]
    set_aside: SetAside
    is_refused = False

    def _get_client(self) -> Callable[..., redis.Redis]:
        return lambda **options: _Client(self, **options)

    def _queue_bind(self, *_: Any) -> None:
        """Rings are pushed to the queue itself; no exchange routes them, so no table of bindings is needed."""

    def _size(self, queue: str) -> int:
        try:
            return int(super()._size(queue))  # type: ignore[no-untyped-call]
        except redis.ResponseError as error:
            self.outlast(error)
            return 0

    def outlast(self, error: redis.ResponseError) -> None:
        """Goes on after an error that Redis answered with, in a while; Celery would connect anew at once, for ever.

        Makes room for the queue where a key of another kind has its name. The one moved before is replaced.
        """
        if str(error).startswith("WRONGTYPE"):
            with self.conn_or_acquire() as client:
                client.rename(TRAIN_QUEUE, SET_ASIDE_KEY + TRAIN_QUEUE)
            self.set_aside(TRAIN_QUEUE.encode(), f"the key {TRAIN_QUEUE} was no list: {error}")
            return
        if not self.is_refused:
            log.warning("Redis gives no rings, asking again every %g s: %s", _PAUSE_SECONDS, error)
        self.is_refused = True
        time.sleep(_PAUSE_SECONDS)


class _Transport(kombu_redis.Transport):
    Channel = _Channel


class _Connection(Connection):
    """Uses this transport whichever scheme the address has."""

    def get_transport_cls(self) -> type[_Transport]:
        return _Transport


class _AMQP(AMQP):  # type: ignore[misc]  # celery has no types
    Connection = _Connection


class RingCelery(Celery):  # type: ignore[misc]
    """A Celery app that takes its tasks through this transport; `set_aside` has to be in its transport's options."""

    amqp_cls = _AMQP
