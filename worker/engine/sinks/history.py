"""history.csv: every point of the run, one row each."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from worker.contract.messages import Point
from worker.contract.names import Metric
from worker.engine.ports import NullSink, RunStarted
from worker.engine.sinks.deferred import DeferredFile, Refusals

PLACES = ("step", "epoch", "elapsed_seconds", "at")
COLUMNS = (*PLACES, *(metric.value for metric in Metric))
VALIDATION = tuple(metric.value for metric in Metric if metric.value.startswith("val/"))


class HistoryFile(NullSink):
    """Written row by row. A resume first takes out what the training will tell again."""

    def __init__(self, path: Path, refusals: Refusals | None = None) -> None:
        self._path = path
        self._file = DeferredFile(path, refusals or Refusals(path.parent))

    def started(self, run: RunStarted) -> None:
        kept = rows_before(self._path, run)
        self._file.replace("".join(_line(row) for row in ({name: name for name in COLUMNS}, *kept)))

    def point(self, point: Point) -> None:
        places = {name: value for name, value in point.model_dump(mode="json").items() if name in PLACES}
        values = {name: value for name, value in point.values.items() if name in COLUMNS}
        self._file.append(_line({**places, **values}))

    def flush(self) -> bool:
        return self._file.flush()

    def rows(self) -> list[dict[str, str]]:
        """Those that the disk has taken, as text."""
        return read_history(self._path)


def read_history(path: Path) -> list[dict[str, str]]:
    """The rows as text; empty where there is no file, or a pipe. A last line that a crash cut short is left out."""
    if not path.is_file():
        return []
    lines = path.read_text().splitlines(keepends=True)
    rows = list(csv.DictReader(line for line in lines if line.endswith("\n")))
    return [row for row in rows if None not in row.values()]


def rows_before(path: Path, run: RunStarted) -> list[dict[str, str]]:
    """The rows that the training which begins will not tell again."""
    return [row for row in read_history(path) if not _is_void(row, run)]


def _is_void(row: dict[str, str], run: RunStarted) -> bool:
    step = int(row["step"])
    is_evaluation = any(row[name] for name in VALIDATION)
    return step > run.step or (step == run.step and run.evaluation_due and is_evaluation)


def _line(row: dict[str, Any]) -> str:
    """No value holds a comma, a quote or a line break; a value that is not finite is an empty cell."""
    return ",".join("" if row.get(name) is None else str(row[name]) for name in COLUMNS) + "\n"
