"""Both arms' steps, measured in turn so that whatever else the machine does meets both alike."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import fmean

from worker.contract.arms import BASELINE, SD
from worker.contract.config import RunConfig
from worker.contract.fitting import SMALLEST_PART
from worker.engine.data.images import Dataset
from worker.engine.estimate.probe import DoesNotFit, Probe, Sample
from worker.engine.estimate.twins import NAMES, twin
from worker.engine.execution import Execution
from worker.engine.plan import Plan

#: Begun with on a CPU, where a step of the configured size may take minutes.
SMALL = 4
#: Rounds of both arms that should fit into the time that was asked for.
ROUNDS = 5
FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class ArmCost:
    """Of one device. `peak_bytes` is for the configured micro-batch, and None where the system does not tell."""

    step_seconds: float
    compute: float
    peak_bytes: int | None
    steps: int


@dataclass(frozen=True)
class DeviceCost:
    """`size` images were computed at a time, `fits` at most fit where the configured number did not."""

    arms: dict[str, ArmCost]
    forward_seconds: float
    size: int
    fits: int | None


def measure_device(config: RunConfig, dataset: Dataset, execution: Execution, *, seconds: float) -> DeviceCost:
    """Takes about `seconds`, and some more to begin. Raises DoesNotFit where not even two images do."""
    probes = {name: Probe(twin(config, name), dataset, execution) for name in NAMES}
    size = _fitting(probes[BASELINE], seconds)
    while True:
        for probe in probes.values():
            probe.resize(size.size)
        try:
            return _cost(probes, size, seconds)
        except DoesNotFit:
            # Both arms together hold more than one did, and what is looked at besides takes memory of its own.
            if size.size <= SMALLEST_PART:
                raise
            size = _Size(max(SMALLEST_PART, size.size // 2), is_all_that_fits=True)


def _cost(probes: dict[str, Probe], fitted: _Size, seconds: float) -> DeviceCost:
    """From steps of both arms in turn. Raises DoesNotFit."""
    samples = _in_turn(probes, seconds)
    baseline = interquartile_mean([sample.seconds for sample in samples[BASELINE]])
    with_sd = expected_seconds(samples[SD], compute=probes[SD].expected_compute, full_seconds=baseline)
    return DeviceCost(
        arms={
            name: ArmCost(
                step_seconds=step_seconds,
                compute=probes[name].expected_compute,
                peak_bytes=_peak_bytes(probes, name),
                steps=len(samples[name]) * probes[name].chunk,
            )
            for name, step_seconds in ((BASELINE, baseline), (SD, with_sd))
        },
        forward_seconds=interquartile_mean([probes[BASELINE].forward_seconds() for _ in range(FEWEST_ROUNDS + 1)][1:]),
        size=fitted.size,
        fits=fitted.size if fitted.is_all_that_fits else None,
    )


def expected_seconds(samples: Sequence[Sample], *, compute: float, full_seconds: float) -> float:
    """A step's time in the mean over gate patterns as they occur.

    The patterns of a few steps have more or less compute than all have in the mean, `compute`, which is known exactly.
    So each step's time is moved by the difference, at the baseline's seconds for the full compute (a control variate).
    """
    return interquartile_mean([sample.seconds - full_seconds * (sample.compute - compute) for sample in samples])


def interquartile_mean(values: Sequence[float]) -> float:
    """Of the middle half: a moment in which the machine did something else moves a mean, and this not."""
    quarter = len(values) // 4
    return fmean(sorted(values)[quarter : len(values) - quarter])


def measure_loader(plan: Plan, *, seconds: float) -> float:
    """Images a second that one device's loader delivers when nobody waits in between. Raises DataError."""
    size, arrivals = plan.config.micro_batch, list[float]()
    # What its processes have begun at once arrives at once, and says nothing of the rate.
    skipped = max(1, plan.loader.count)
    until = time.monotonic() + seconds
    with closing(plan.training_batches(start=0)) as batches:
        for _ in batches:
            arrivals.append(time.perf_counter())
            if time.monotonic() > until and len(arrivals) > skipped + 1:
                break
    first = min(skipped, len(arrivals) - 1) - 1
    return size * (len(arrivals) - 1 - first) / (arrivals[-1] - arrivals[first])


@dataclass(frozen=True)
class _Size:
    size: int
    is_all_that_fits: bool = False


def _in_turn(probes: dict[str, Probe], seconds: float) -> dict[str, list[Sample]]:
    for probe in probes.values():
        probe.timed(probe.chunk)
    samples: dict[str, list[Sample]] = {name: [] for name in probes}
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(samples[SD]) < FEWEST_ROUNDS:
        for name, probe in probes.items():
            samples[name].append(probe.timed(probe.chunk))
    return samples


def _fitting(probe: Probe, seconds: float) -> _Size:
    found = _Size(probe.size)
    for size in _sizes(probe, seconds):
        found = _largest_from(probe, size)
        if found.is_all_that_fits:
            break
    return found


def _sizes(probe: Probe, seconds: float) -> Iterator[int]:
    """To be tried one after the other: the last is the largest of which enough steps fit into the time."""
    whole = probe.size
    if probe.execution.device.type == "cuda" or whole <= SMALL:
        yield whole
        return
    yield SMALL
    step, affordable = probe.timed(1).seconds, whole
    while affordable > SMALL and 2 * ROUNDS * step * affordable / whole > seconds:
        affordable //= 2
    yield max(affordable, SMALL)


def _largest_from(probe: Probe, size: int) -> _Size:
    """Halved until a step fits, and the second one too."""
    first = size
    while True:
        probe.resize(size)
        try:
            probe.timed(1)
            probe.timed(1)
        except DoesNotFit:
            if size <= SMALLEST_PART:
                raise
            size = max(SMALLEST_PART, size // 2)
        else:
            return _Size(size, is_all_that_fits=size < first)


def _peak_bytes(probes: dict[str, Probe], name: str) -> int | None:
    """Without what the other arm holds between its steps.

    Where fewer images than configured were computed, it is the baseline's and what it would keep of the others: a step
    of stochastic depth with all gates open takes as much.
    """
    probe = probes[name] if probes[name].share == 1.0 else probes[BASELINE]
    if probe.peak_bytes is None:
        return None
    others = sum(other.resident for other in probes.values() if other is not probe)
    missing = probe.config.micro_batch - probe.size
    return probe.peak_bytes - others + (round(missing * probe.saved_bytes()) if missing else 0)
