"""How far a run is, read from what it writes into its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from worker.contract.names import Metric
from worker.engine.compare.arms import Arm
from worker.engine.sinks.history import COLUMNS

#: Enough for some rows, however long the history has become.
TAIL_BYTES = 4096


@dataclass(frozen=True)
class Standing:
    step: int
    steps: int
    epoch: float
    epochs: int
    elapsed_seconds: float
    latest: dict[str, float]
    #: The mean share up to the last evaluation; None before the first.
    compute: float | None

    @property
    def eta(self) -> timedelta:
        return timedelta(seconds=round(self.elapsed_seconds / max(1, self.step) * (self.steps - self.step)))


def standing_of(arm: Arm) -> Standing | None:
    """None while nothing is reported yet."""
    summary, rows = read_summary(arm.folder.summary), _last_rows(arm.folder.history)
    if not rows or "steps" not in summary:
        return None
    latest = {name: value for name, value in summary.get("latest", {}).items() if value is not None}
    for row in rows:
        latest |= {name: float(row[name]) for name in (metric.value for metric in Metric) if row[name]}
    last = rows[-1]
    return Standing(
        step=int(last["step"]),
        steps=int(summary["steps"]),
        epoch=float(last["epoch"]),
        epochs=int(summary["epochs"]),
        elapsed_seconds=float(last["elapsed_seconds"]),
        latest=latest,
        compute=summary.get("results", {}).get("compute"),
    )


def read_summary(path: Path) -> dict[str, Any]:
    """Empty where there is none. It is replaced whole, so it is never half."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def line(arm: Arm, *, wide: int) -> str:
    """`wide` is the width of the longest title."""
    standing = standing_of(arm)
    title = arm.title.ljust(wide)
    if standing is None:
        return f"{title}  starting"
    parts = [
        f"epoch {standing.epoch:.1f}/{standing.epochs}",
        # What a narrow terminal cuts off is at the end.
        f"ETA {standing.eta}",
        *_shown(standing.latest, Metric.TRAIN_LOSS, "loss {:.3f}"),
        *_shown(standing.latest, Metric.VAL_TOP1, "val/top1 {:.2f} %"),
        *_shown(standing.latest, Metric.IMAGES_PER_SECOND, "{:.0f} images/s"),
    ]
    if arm.config.sd and standing.compute is not None:
        parts.append(f"{100 * (1 - standing.compute):.0f} % compute saved")
    return "  ".join([title, *parts])


def _shown(latest: dict[str, float], metric: Metric, form: str) -> list[str]:
    return [form.format(latest[metric])] if metric in latest else []


def _last_rows(path: Path) -> list[dict[str, str]]:
    """Whole rows from the end; the header and a row that is cut are left out."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        lines = file.read().decode().splitlines(keepends=True)[1:]
    cells = [text.rstrip("\n").split(",") for text in lines if text.endswith("\n")]
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells if len(row) == len(COLUMNS)]
