"""The folder in which a run trained from the command line leaves its results."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from worker.common.file_lock import LockTaken, exclusive
from worker.common.lock_note import Holder
from worker.contract.config import RunConfig
from worker.engine.atomic import write_text
from worker.engine.differences import differing_settings
from worker.evidence.predictions import FILE_NAME

LOCK = ".lock"


class FolderRefused(ValueError):
    """The folder cannot take this run; says why and what to do."""


class ResultsFolder:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config.json"
        self.history = root / "history.csv"
        self.summary = root / "summary.json"
        self.log = root / "train.log"
        self.tensorboard = root / "tensorboard"
        self.checkpoints = root / "checkpoints"
        self.predictions = root / FILE_NAME
        self._lock = root / LOCK

    def refuse_strangers(self) -> None:
        """Raises FolderRefused if something else than a run is here. Writes nothing."""
        if self.root.exists() and not self.root.is_dir():
            raise FolderRefused(f"--out {self.root} is a file; give a folder")
        if not self.config.exists() and self._strangers():
            raise FolderRefused(f"--out {self.root} is not empty and holds no run; give another folder")

    def refuse_other_run(self, config: RunConfig) -> None:
        """Raises FolderRefused if the run in the folder has other settings. Writes nothing."""
        if self.config.exists():
            differing = differing_settings(_read_json(self.config), config)
            if differing:
                raise FolderRefused(
                    f"--out {self.root} holds a run with other settings: {'; '.join(differing)}. "
                    "Give the same settings to go on, another --out, or --fresh to delete that run and begin anew"
                )

    def completed_before(self) -> str:
        return f"the run in {self.root} is completed; --fresh begins it anew"

    def has_completed(self) -> bool:
        return self.summary.exists() and _read_json(self.summary).get("status") == "completed"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder and keeps other writers out of it, on this machine and others. Raises FolderRefused."""
        with ExitStack() as held:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                held.enter_context(exclusive(self._lock, lost=self._leave_to))
            except LockTaken as taken:
                raise FolderRefused(f"{taken.who} is training in {self.root}; end it or give another --out") from taken
            except OSError as error:
                raise FolderRefused(f"--out {self.root} cannot be written to: {error.strerror}") from error
            yield

    def write_config(self, config: RunConfig) -> None:
        """Raises FolderRefused where the disk does not even take this: nothing has been trained yet."""
        try:
            write_text(self.config, config.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise FolderRefused(f"--out {self.root} cannot be written to: {error.strerror}") from error

    def clear(self) -> None:
        """Deletes what a run left here, and nothing else.

        The configuration goes last: by it the folder is known as a run's, should the deletion be interrupted.
        """
        for folder in (self.checkpoints, self.tensorboard):
            shutil.rmtree(folder, ignore_errors=True)
        for path in (self.history, self.summary, self.log, self.predictions, self.config):
            path.unlink(missing_ok=True)

    def _strangers(self) -> bool:
        return self.root.exists() and not all(is_lock(path) for path in self.root.iterdir())

    def _leave_to(self, other: Holder) -> NoReturn:
        """Two writers would be worse than losing the steps since the last checkpoint."""
        with suppress(OSError):
            print(f"{other} has taken over {self.root}, as this process stood still; ending", file=sys.stderr)
        os._exit(1)


def is_lock(path: Path) -> bool:
    """Is it the lock of a results folder, or what belongs to it?"""
    return path.name.startswith(LOCK)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise FolderRefused(f"{path} cannot be read ({error}); give another --out, or --fresh to begin anew") from error
