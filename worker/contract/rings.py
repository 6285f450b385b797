"""The ring as it lies in Redis: a Celery task (message protocol 2) in the envelope of kombu's Redis transport.

Written and read here, by both sides, because Celery's own code asks Redis for its table of bindings before each ring it
sends, and trusts whatever it pops from the queue: neither survives a Redis that is full or a list that holds rubbish.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from worker.contract.config import RunConfig
from worker.contract.messages import RunSpec
from worker.contract.names import TRAIN_QUEUE, TRAIN_TASK

_JSON = "application/json"
_EMBEDDED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class NoRing(ValueError):
    """What lay in the queue is no ring; the message says why."""


def write_ring(spec: RunSpec) -> str:
    """An element of the queue that any Celery worker reads as a call of the training task.

    It never expires by a time, since the clocks of two machines differ: a ring is over when its attempt is.
    """
    return _envelope({"spec": content_of(spec)})


def content_of(spec: RunSpec) -> dict[str, Any]:
    """What differs from the defaults: a worker that does not know a setting trains a run that does not use it."""
    content = spec.model_dump(mode="json", exclude_defaults=True)
    content["config"] = differing(spec.config)
    return content


def differing(config: RunConfig) -> dict[str, Any]:
    """The fewest settings that mean `config`; all of them where a default depends on what else is given."""
    least = config.model_dump(mode="json", exclude_defaults=True)
    try:
        is_enough = RunConfig.model_validate(least) == config
    except ValidationError:
        is_enough = False
    return least if is_enough else config.model_dump(mode="json")


def read_ring(element: bytes) -> str:
    """What the ring says, as JSON: a RunSpec of whatever version. Raises NoRing for anything else, whatever it is."""
    try:
        envelope = json.loads(element)
        task = envelope["headers"]["task"]
        body = json.loads(_body_of(envelope))
        _, keywords, _ = body
        content = keywords["spec"]
        text = json.dumps(content)
    except NoRing:
        raise
    except RecursionError:
        raise NoRing("it is nested too deeply to be read") from None
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise NoRing(f"it is no task of Celery's: {type(error).__name__}: {error}") from error
    if task != TRAIN_TASK:
        raise NoRing(f"task {task!r} is unknown; workers know {TRAIN_TASK!r}")
    if not isinstance(content, dict):
        raise NoRing(f"its argument 'spec' is a {type(content).__name__} and no run")
    return text


def deliverable(content: str) -> str:
    """A ring that was read, written anew for Celery: nothing that came from outside is left for it to interpret."""
    return _envelope({"ring": content})


def _body_of(envelope: dict[str, Any]) -> bytes | str:
    content_type, encoding = envelope["content-type"], envelope["properties"].get("body_encoding")
    if content_type != _JSON:
        raise NoRing(f"its content type is {content_type!r} and not {_JSON!r}")
    if encoding not in ("base64", "utf-8", None):
        raise NoRing(f"its body is encoded as {encoding!r}, which is neither 'base64' nor 'utf-8'")
    body: str = envelope["body"]
    return base64.b64decode(body, validate=True) if encoding == "base64" else body


def _envelope(keywords: dict[str, Any]) -> str:
    task_id = str(uuid4())
    body = json.dumps([[], keywords, _EMBEDDED])
    return json.dumps(
        {
            "body": base64.b64encode(body.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": _JSON,
            "headers": _headers(task_id),
            "properties": {
                "correlation_id": task_id,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": TRAIN_QUEUE},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid4()),
            },
        }
    )


def _headers(task_id: str) -> dict[str, Any]:
    absent = dict.fromkeys(("shadow", "eta", "expires", "group", "parent_id"))
    named = {"lang": "py", "task": TRAIN_TASK, "id": task_id, "root_id": task_id, "ignore_result": True}
    return absent | named | {"retries": 0, "timelimit": [None, None], "argsrepr": "()", "kwargsrepr": "{}"}
