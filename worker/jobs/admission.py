"""Whether this start of the worker has its identity: a machine that was cloned has it twice, and only one may train.

The controller answers in the worker's key which start it is. Until that is this one, nothing is released that an
earlier start held, and no ring is heard.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import redis
from pydantic import ValidationError

from worker.contract import names
from worker.contract.messages import WorkerKey
from worker.jobs.identity import Identity
from worker.jobs.settings import Settings

_POLL_SECONDS = 0.1
#: A start in the place of one that died is admitted well within.
_TELL_AFTER_SECONDS = 4.0

log = logging.getLogger(__name__)


class Admission:
    """Read by several threads. What was answered last holds until another answer comes."""

    def __init__(self, connection: redis.Redis, *, identity: Identity, settings: Settings) -> None:
        self._redis = connection
        self._identity = identity
        self._settings = settings
        self._is_admitted = False
        self._waiting_since = time.monotonic()
        self._told = ""

    @property
    def is_admitted(self) -> bool:
        return self._is_admitted

    def wait(self, *, is_closing: Callable[[], bool]) -> bool:
        """Returns when it is admitted; False when the worker is to end before."""
        while not is_closing():
            try:
                self.look()
            except redis.RedisError as error:
                self._tell(f"Redis does not answer: {error}")
            if self._is_admitted:
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def look(self) -> None:
        """Takes in what the worker's key says. Raises redis.RedisError."""
        holder = _parse(self._redis.get(names.worker_key(self._identity.worker_id)))
        if holder is None:
            if not self._is_admitted:
                self._tell("no controller has answered yet; this worker waits for one of its own version")
            return
        is_ours = holder.boot_id == self._identity.boot_id
        if self._is_admitted and not is_ours:
            self._waiting_since = time.monotonic()
        self._is_admitted = is_ours
        if is_ours:
            self._told = ""
        else:
            self._tell(self._refusal(holder))

    def _refusal(self, holder: WorkerKey) -> str:
        return (
            f"another worker on {holder.host} has the identity {self._identity.worker_id}; this one waits until that "
            f"has ended. If this machine or its folders were copied from there, stop this worker, remove "
            f"{self._settings.state / 'worker.json'} here, and {self._settings.files / 'root.json'} too unless both "
            f"share that folder, and start it again"
        )

    def _tell(self, text: str) -> None:
        """Once, and only if it lasts."""
        if text != self._told and time.monotonic() - self._waiting_since > _TELL_AFTER_SECONDS:
            self._told = text
            log.error("%s", text)


def _parse(text: object) -> WorkerKey | None:
    try:
        return WorkerKey.model_validate_json(text) if isinstance(text, str) else None
    except ValidationError:
        return None
