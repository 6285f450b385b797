"""train.log: what a person would want to read afterwards, each line with its time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from worker.engine.ports import NullSink, RunStarted, SavedCheckpoint
from worker.engine.sinks.deferred import DeferredFile, Refusals


class LogFile(NullSink):
    def __init__(self, path: Path, refusals: Refusals | None = None) -> None:
        self._file = DeferredFile(path, refusals or Refusals(path.parent))

    def started(self, run: RunStarted) -> None:
        versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
        self.log(
            f"started after step {run.step} of {run.epochs * run.steps_per_epoch}: {run.blocks} blocks, "
            f"{run.parameters:,} parameters, {run.device}, {run.threads} threads, {run.loader}, {versions}"
        )

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        self.log(f"checkpoint {saved.path.name}, {saved.size_bytes:,} bytes{', best so far' if saved.best else ''}")

    def notice(self, text: str) -> None:
        self.log(f"note: {text}")

    def log(self, line: str) -> None:
        self._file.append(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n")

    def flush(self) -> bool:
        return self._file.flush()
