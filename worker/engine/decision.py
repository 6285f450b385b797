"""What the first of several ranks decides for all of them, and what all of them have to see alike."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from worker.contract.config import RunConfig
from worker.engine.checkpoint import Checkpoint, CheckpointDamaged, CheckpointMismatch, load
from worker.engine.data.errors import DataError
from worker.engine.data.images import Dataset
from worker.engine.data.open import cached_as_asked, list_images
from worker.engine.data.together import gathered_texts
from worker.engine.ranks import Ranks

#: A checkpoint's checksum, with its mark, is at its end.
SEAL_BYTES = 40


@dataclass(frozen=True)
class Decision:
    """To go on from the checkpoint `resume`, or from the beginning; or, with an `exit_code`, to end without training.

    `seal` tells the checkpoint from another of the same name.
    """

    exit_code: int | None = None
    resume: str | None = None
    seal: str = ""

    @classmethod
    def to_train(cls, resume: Checkpoint | None) -> Decision:
        return cls() if resume is None else cls(resume=str(resume.path.absolute()), seal=_seal(resume.path))

    def tell(self, ranks: Ranks) -> None:
        """For the first rank; the others `hear`."""
        ranks.tell(json.dumps(asdict(self)))

    @classmethod
    def hear(cls, ranks: Ranks) -> Decision:
        return cls(**json.loads(ranks.tell()))


def listed_by_all(config: RunConfig, ranks: Ranks) -> Dataset:
    """The dataset, which has to be the same for all ranks. Raises DataError, on all."""
    trouble, dataset = [], None
    try:
        dataset = cached_as_asked(list_images(config), config)
    except DataError as error:
        trouble.append(str(error))
    for reason in gathered_texts(trouble, ranks):
        raise DataError(reason)
    assert dataset is not None
    if len(set(gathered_texts([dataset.fingerprint], ranks))) > 1:
        raise DataError(
            f"the images of {dataset.name} are not the same on all machines; give all of them the same files"
        )
    return dataset


def checkpoint_seen_by_all(decision: Decision | None, ranks: Ranks) -> Checkpoint | None:
    """The decided checkpoint; of the first rank, which has it, nothing but that all see it. Raises CheckpointMismatch.

    On all ranks, with a reason of the first that does not see it.
    """
    trouble: list[str] = []
    found = None if decision is None else _loaded(decision, trouble)
    for reason in gathered_texts(trouble, ranks):
        raise CheckpointMismatch(reason)
    return found


def _loaded(decision: Decision, trouble: list[str]) -> Checkpoint | None:
    if decision.resume is None:
        return None
    path, here = Path(decision.resume), f"on {socket.gethostname()}"
    remedy = "--out has to be on a filesystem that all machines mount under this name"
    try:
        found = load(path)
        if _seal(path) == decision.seal:
            return found
        trouble.append(f"checkpoint {path} is another one {here}; {remedy}")
    except (CheckpointDamaged, CheckpointMismatch, OSError) as error:
        trouble.append(f"{error} {here}; {remedy}")
    return None


def _seal(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(-SEAL_BYTES, os.SEEK_END)
        return file.read().hex()
