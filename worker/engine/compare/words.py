"""The outcome of a comparison in words and in plain tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import timedelta

from worker.engine.compare.outcome import RunResult, Verdict
from worker.engine.compare.statistics import Paired

HEADINGS = ("seed", "arm", "status", "best val/top1", "last val/top1", "val/loss", "time", "compute", "depth")
NOT_PAIRED = "no seed has completed both runs, so nothing can be compared"
NOT_KNOWN = "–"
SHORT_SECONDS = 120


def cells(run: RunResult) -> tuple[str, ...]:
    """As text, in the order of HEADINGS."""
    return (
        str(run.seed),
        run.arm,
        run.status,
        _shown(run.best_top1, "{:.2f} %"),
        _shown(run.last_top1, "{:.2f} %"),
        _shown(run.last_loss, "{:.4f}"),
        NOT_KNOWN if run.seconds is None else _duration(run.seconds),
        _shown(None if run.compute is None else 100 * run.compute, "{:.1f} %"),
        _shown(run.depth, "{:.2f}"),
    )


def table(results: Sequence[RunResult]) -> str:
    rows = [HEADINGS, *(cells(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def sentences(verdict: Verdict) -> list[str]:
    """The paired differences, stochastic depth minus baseline, and what was saved."""
    if not verdict.seeds:
        return [NOT_PAIRED]
    told = [
        ("val/top1 after the last epoch, SD - baseline", verdict.last_top1, "{:+.2f}", " points"),
        ("best val/top1, SD - baseline", verdict.best_top1, "{:+.2f}", " points"),
        ("val/loss after the last epoch, SD - baseline", verdict.last_loss, "{:+.4f}", ""),
        ("time saved", verdict.time_saved, "{:.1f}", " %"),
        ("compute saved", verdict.compute_saved, "{:.1f}", " %"),
    ]
    return [f"{title}: {estimate(value, form, unit)}" for title, value, form, unit in told if value is not None]


def estimate(value: Paired, form: str, unit: str) -> str:
    mean = f"{form.format(value.mean)}{unit}"
    if value.low is None or value.high is None:
        return f"{mean} (one seed: no interval is available)"
    return f"{mean} (95 % interval {form.format(value.low)} to {form.format(value.high)}, {value.n} seeds)"


def headline(verdict: Verdict) -> str:
    """What the seeds show of the accuracy, without more certainty than they give."""
    found = verdict.last_top1
    if found is None:
        return f"{NOT_PAIRED[0].upper()}{NOT_PAIRED[1:]}."
    if found.contains_zero is None:
        return "One seed cannot tell a difference in accuracy from chance; give two or more."
    if found.contains_zero:
        return f"These {found.n} seeds cannot tell a difference in accuracy from chance: the 95 % interval contains 0."
    better = "above" if found.mean > 0 else "below"
    return f"Over these {found.n} seeds stochastic depth ends {better} the baseline: the 95 % interval leaves out 0."


def as_csv(results: Sequence[RunResult]) -> str:
    """A row for each run, with every digit."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(RunResult)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(result) for result in results)
    return text.getvalue()


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < SHORT_SECONDS else str(timedelta(seconds=round(seconds)))


def _shown(value: float | None, form: str) -> str:
    return NOT_KNOWN if value is None else form.format(value)
