"""What can be said of a configuration before anything is trained."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from backend.errors import BadInput
from backend.runs.views import planned_steps
from backend.runs.waiting import devices_named
from backend.workers.queries import living_workers
from worker.contract.config import RunConfig
from worker.contract.datasets import CLASS_FOLDERS, DATASETS, remedy_by_content
from worker.contract.devices import choose_devices


class Derived(BaseModel):
    """What the defaults of dataset and recipe come to.

    `training_images` are those of the whole dataset, by which steps are counted; None where a folder has to be read.
    """

    lr: float
    image_size: int
    flip: bool
    training_images: int | None
    steps_per_epoch: int | None
    steps: int | None


class CheckedConfig(BaseModel):
    config: dict[str, Any]
    warnings: list[str]
    derived: Derived


def check_config(session: Session, config: RunConfig) -> CheckedConfig:
    """Raises BadInput where the images are not there (see `missing_images`)."""
    missing = missing_images(config)
    if missing and not _trains_elsewhere(session):
        raise BadInput({"data_dir": [missing]})
    stored = stored_config(config)
    steps_per_epoch, steps = planned_steps(stored, None)
    derived = Derived(
        lr=config.peak_lr,
        image_size=config.image_side,
        flip=config.flips,
        training_images=DATASETS[config.dataset].train_images,
        steps_per_epoch=steps_per_epoch,
        steps=steps,
    )
    unseen = [f"{missing}; a worker on another machine may have it"] if missing else []
    unserved = _without_worker(session, config)
    return CheckedConfig(config=stored, warnings=config.warnings() + unseen + unserved, derived=derived)


def _without_worker(session: Session, config: RunConfig) -> list[str]:
    """Why the run would wait although workers are there; that none is at all, the page says everywhere."""
    workers = living_workers(session)
    fits = [choose_devices(worker.devices, devices=config.devices, device=config.device) for worker in workers]
    if not workers or any(fits):
        return []
    return [f"no worker that is connected now has {devices_named(config.device, config.devices)}; the run will wait"]


def stored_config(config: RunConfig) -> dict[str, Any]:
    return config.model_dump(mode="json")


def missing_images(config: RunConfig) -> str | None:
    """What this machine lacks of the folder that the configuration names; None where it names none."""
    if config.data_dir is None or not DATASETS[config.dataset].needs_data_dir:
        return None
    folder = Path(config.data_dir)
    parts = ("train", "val") if config.dataset in CLASS_FOLDERS else ()
    for wanted in (folder, *(folder / part for part in parts)):
        if not _is_folder(wanted):
            remedy = remedy_by_content(_content(folder)) if wanted != folder else ""
            return f"data_dir {config.data_dir!r}: there is no folder {str(wanted)!r} on this machine{remedy}"
    return None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long for the file system
        return False


def _content(folder: Path) -> set[str]:
    try:
        return {entry.name for entry in folder.iterdir()}
    except OSError:  # it may not be read from here
        return set()


def _trains_elsewhere(session: Session) -> bool:
    """Does a worker live on another machine, whose folders cannot be seen from here?"""
    here = socket.gethostname()
    return any(worker.host != here for worker in living_workers(session))
