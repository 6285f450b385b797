"""The runs of a comparison as plain tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from worker.contract.text import csv_text
from worker.engine.compare.arms import Arm
from worker.engine.compare.design import Design
from worker.engine.compare.outcome import RunResult
from worker.evidence import verdict as evidence
from worker.evidence.columns import aligned
from worker.evidence.plan_words import plan_sentence
from worker.evidence.sentences import step_text
from worker.evidence.verdict import Verdict
from worker.evidence.verdict_text import CONTRAST_HEADINGS, contrast_row, verdict_lines

HEADINGS = (
    *("seed", "arm", "status", "best val/top1", "last val/top1", "val/top5", "val/loss", "time"),
    *("median step (quartiles)", "compute", "depth"),
)
NOT_KNOWN = "–"
SHORT_SECONDS = 120
#: Of each run in comparison.csv; a step's median and quartiles follow.
COLUMNS = (
    *("seed", "arm", "status", "reason", "best_top1", "last_top1", "last_loss", "seconds", "compute", "depth"),
    *("images_per_second", "train_loss", "last_top5"),
)
STEP_COLUMNS = {"step_seconds": "median", "step_seconds_q1": "q1", "step_seconds_q3": "q3"}


def cells(run: RunResult) -> tuple[str, ...]:
    """As text, in the order of HEADINGS."""
    return (
        str(run.seed),
        run.arm,
        run.status,
        _shown(run.best_top1, "{:.2f} %"),
        _shown(run.last_top1, "{:.2f} %"),
        _shown(run.last_top5, "{:.2f} %"),
        _shown(run.last_loss, "{:.4f}"),
        NOT_KNOWN if run.seconds is None else _duration(run.seconds),
        step_text(run.step_seconds),
        _shown(None if run.compute is None else 100 * run.compute, "{:.1f} %"),
        _shown(run.depth, "{:.2f}"),
    )


def table(results: Sequence[RunResult]) -> str:
    rows = [HEADINGS, *(cells(result) for result in results)]
    return "\n".join(aligned(rows, left=3))


def summary(results: Sequence[RunResult], verdict: Verdict, design: evidence.Design) -> list[str]:
    """Every run, and what can be said of the arms."""
    lines = ["", table(results), "", plan_sentence(design.plan, seeds=len(design.seeds or ()))]
    if len(verdict.contrasts) > 1:
        lines += ["", *aligned([CONTRAST_HEADINGS, *map(contrast_row, verdict.contrasts)], left=1), ""]
    return [*lines, *verdict_lines(verdict)]


def notes(design: Design, arms: Sequence[Arm]) -> list[str]:
    """What decides and what is probably not meant, before anything is trained."""
    planned = design.settled_seeds
    found = [warning for arm in arms for warning in arm.config.warnings()]
    extra = [seed for seed in design.seeds if seed not in planned]
    if extra:
        found.append(
            f"the plan was fixed at seeds {_listed(planned)}, and {_listed(extra)} came in addition, so no claim can "
            "be made; for one begin a new comparison in another --out"
        )
    return [plan_sentence(design.plan, seeds=len(planned)), *(f"note: {one}" for one in dict.fromkeys(found))]


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def as_csv(results: Sequence[RunResult]) -> str:
    """A row for each run, with every digit."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, *STEP_COLUMNS], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(result) for result in results)
    return text.getvalue()


def _row(result: RunResult) -> dict[str, Any]:
    step = result.step_seconds
    timed = {name: None if step is None else getattr(step, field) for name, field in STEP_COLUMNS.items()}
    told = {name: getattr(result, name) for name in COLUMNS}
    return {name: csv_text(value) if isinstance(value, str) else value for name, value in told.items()} | timed


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < SHORT_SECONDS else str(timedelta(seconds=round(seconds)))


def _shown(value: float | None, form: str) -> str:
    return NOT_KNOWN if value is None else form.format(value)
