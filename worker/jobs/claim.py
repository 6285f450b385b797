"""Asking the controller for an attempt: only its answer in the run's key lets a worker train."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import redis

from worker.contract import names
from worker.contract.messages import Claim, RunKey
from worker.contract.status import Desired
from worker.jobs.courier import parse_key, send

REPEAT_SECONDS = 2.0
GIVE_UP_SECONDS = 60.0
_POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


def obtain(connection: redis.Redis, claim: Claim, *, is_closing: Callable[[], bool]) -> bool:
    """Claims until the controller answers. False when the run is another's, unwanted by now, or nobody answers."""
    give_up_at = time.monotonic() + GIVE_UP_SECONDS
    say_at = 0.0
    while time.monotonic() < give_up_at and not is_closing():
        try:
            key = parse_key(connection.get(names.run_key(claim.run_id)), run_id=claim.run_id)
            answer = answer_to(claim, key)
            if answer is not None:
                return answer
            if time.monotonic() >= say_at:
                send(connection, claim)
                say_at = time.monotonic() + REPEAT_SECONDS
        except redis.RedisError as error:
            log.debug("run %s is claimed again when Redis is back: %s", claim.run_id, error)
        time.sleep(_POLL_SECONDS)
    return False


def answer_to(claim: Claim, key: RunKey | None) -> bool | None:
    """May the claimant train? None as long as the key does not say: it is absent, or still about an earlier attempt."""
    if key is None or key.attempt < claim.attempt:
        return None
    if key.attempt > claim.attempt:
        return False
    if key.claim_id is not None:
        return key.claim_id == claim.claim_id
    return None if key.desired is Desired.RUN else False
