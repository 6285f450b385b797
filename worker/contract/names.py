"""Names that two processes must spell alike: the task, the queue, the keys of Redis and the metrics."""

from __future__ import annotations

import re
from enum import StrEnum

TRAIN_TASK = "resdrop.train"
TRAIN_QUEUE = "resdrop.train"

#: The one stream of what workers say; each entry has the single field ENVELOPE with a message as JSON.
MESSAGES_STREAM = "resdrop:messages"
ENVELOPE = "message"
#: A channel that only wakes whoever reads SQL; its payload means nothing.
WAKE_CHANNEL = "resdrop:wake"

#: Written by whoever wants to know whether Redis takes writes; its content means nothing.
HEALTH_KEY = "resdrop:health"
#: On it a run's key is told to its holder while Redis, being full, takes no keys.
ORDERS_CHANNEL = "resdrop:orders"
#: Before the name of a key that was in the way of one of ours and was no such thing; one is kept of each name.
SET_ASIDE_KEY = "resdrop:set-aside:"


def run_key(run_id: str) -> str:
    """The key that tells a run's holder what is wanted: a RunKey as JSON (see messages.py)."""
    return f"resdrop:run:{run_id}"


def worker_key(worker_id: str) -> str:
    """The key that tells which start of a worker has its identity: a WorkerKey as JSON."""
    return f"resdrop:worker:{worker_id}"


class Metric(StrEnum):
    TRAIN_LOSS = "train/loss"
    TRAIN_TOP1 = "train/top1"
    VAL_LOSS = "val/loss"
    VAL_TOP1 = "val/top1"
    VAL_TOP5 = "val/top5"
    LR = "lr"
    IMAGES_PER_SECOND = "images_per_second"
    SD_DEPTH = "sd/depth"
    SD_COMPUTE = "sd/compute"


#: As wide as the column that keeps it.
LONGEST_METRIC_NAME = 64
_METRIC_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.:/-]{{0,{LONGEST_METRIC_NAME - 1}}}")


def metric_name_fault(name: str) -> str | None:
    """Why nothing is kept under `name`, which becomes part of addresses, of CSV and of charts; None where it may be."""
    if _METRIC_NAME.fullmatch(name):
        return None
    return (
        f"metric name {name[:80]!r} is not kept; take 1 to {LONGEST_METRIC_NAME} of letters, digits and _ . : / -, "
        "the first a letter or digit"
    )
