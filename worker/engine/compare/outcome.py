"""What each run of a comparison came to, and what stochastic depth made of its twins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.contract.names import Metric
from worker.engine.compare.arms import BASELINE, SD, Arm
from worker.engine.compare.running import End
from worker.engine.compare.standing import read_summary
from worker.engine.compare.statistics import Paired, paired
from worker.engine.sinks.history import read_history

Row = dict[str, str]


@dataclass(frozen=True)
class RunResult:
    """Accuracies in percent, seconds of training, `compute` as a share of the full one, `depth` in blocks.

    None where the run did not get so far.
    """

    seed: int
    arm: str
    status: str
    reason: str
    best_top1: float | None
    last_top1: float | None
    last_loss: float | None
    seconds: float | None
    compute: float | None
    depth: float | None


@dataclass(frozen=True)
class Verdict:
    """Over the seeds whose runs have both completed: SD minus baseline, and what was saved in percent of baseline."""

    seeds: tuple[int, ...]
    last_top1: Paired | None
    best_top1: Paired | None
    last_loss: Paired | None
    time_saved: Paired | None
    compute_saved: Paired | None


def result_of(arm: Arm, end: End | None) -> RunResult:
    summary, rows = read_summary(arm.folder.summary), read_history(arm.folder.history)
    accuracies = _values(rows, Metric.VAL_TOP1)
    losses = _values(rows, Metric.VAL_LOSS)
    is_sd = arm.name == SD
    return RunResult(
        seed=arm.seed,
        arm=arm.name,
        status=end.status if end else "not begun" if not summary else "paused",
        reason=end.reason if end else "",
        best_top1=max(accuracies, default=None),
        last_top1=accuracies[-1] if accuracies else None,
        last_loss=losses[-1] if losses else None,
        seconds=summary.get("elapsed_seconds"),
        compute=mean_over_steps(rows, Metric.SD_COMPUTE) if is_sd else 1.0,
        depth=mean_over_steps(rows, Metric.SD_DEPTH) if is_sd else summary.get("blocks"),
    )


def results_of(arms: Sequence[Arm], ends: Mapping[str, End]) -> list[RunResult]:
    return [result_of(arm, ends.get(arm.key)) for arm in arms]


def verdict_of(results: Sequence[RunResult]) -> Verdict:
    done = {(result.seed, result.arm): result for result in results if result.status == "completed"}
    seeds = [seed for seed, arm in done if arm == BASELINE and (seed, SD) in done]
    pairs = [(done[seed, BASELINE], done[seed, SD]) for seed in seeds]
    return Verdict(
        seeds=tuple(seeds),
        last_top1=_difference(pairs, lambda run: run.last_top1),
        best_top1=_difference(pairs, lambda run: run.best_top1),
        last_loss=_difference(pairs, lambda run: run.last_loss),
        time_saved=_saved(pairs, lambda run: run.seconds),
        compute_saved=_saved(pairs, lambda run: run.compute),
    )


def mean_over_steps(rows: Sequence[Row], metric: Metric) -> float | None:
    """Each point stands for the steps since the one before it."""
    total, before = 0.0, 0
    for row in rows:
        if row[metric]:
            total += float(row[metric]) * (int(row["step"]) - before)
            before = int(row["step"])
    return total / before if before else None


_Pairs = Sequence[tuple[RunResult, RunResult]]
_Reader = Callable[[RunResult], float | None]


def _difference(pairs: _Pairs, read: _Reader) -> Paired | None:
    return paired([sd - baseline for baseline, sd in _known(pairs, read)])


def _saved(pairs: _Pairs, read: _Reader) -> Paired | None:
    return paired([100 * (1 - sd / baseline) for baseline, sd in _known(pairs, read) if baseline > 0])


def _known(pairs: _Pairs, read: _Reader) -> list[tuple[float, float]]:
    values = [(read(baseline), read(sd)) for baseline, sd in pairs]
    return [(one, other) for one, other in values if one is not None and other is not None]


def _values(rows: Sequence[Row], metric: Metric) -> list[float]:
    return [float(row[metric]) for row in rows if row[metric]]


def as_json(results: Sequence[RunResult], verdict: Verdict) -> dict[str, Any]:
    from dataclasses import asdict

    return {"runs": [asdict(result) for result in results], "verdict": asdict(verdict)}
