"""Names that two processes must spell alike: the task, the queue, the keys of Redis and the metrics."""

from __future__ import annotations

from enum import StrEnum

TRAIN_TASK = "resdrop.train"
TRAIN_QUEUE = "resdrop.train"

#: The one stream of what workers say; each entry has the single field ENVELOPE with a message as JSON.
MESSAGES_STREAM = "resdrop:messages"
ENVELOPE = "message"
#: A channel that only wakes whoever reads SQL; its payload means nothing.
WAKE_CHANNEL = "resdrop:wake"


def run_key(run_id: str) -> str:
    """The key that tells a run's holder what is wanted: a RunKey as JSON (see messages.py)."""
    return f"resdrop:run:{run_id}"


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
