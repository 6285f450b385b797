"""`estimate`: what a training with and without stochastic depth would take on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from worker.contract.config import RunConfig
from worker.contract.datasets import DATASETS
from worker.engine import execution
from worker.engine.atomic import write_text
from worker.engine.compare.arms import BASELINE, NAMES, SD
from worker.engine.data.errors import DataError
from worker.engine.data.images import Dataset
from worker.engine.data.open import open_dataset
from worker.engine.estimate.measuring import DeviceCost, measure_device, measure_loader
from worker.engine.estimate.memory import Peak
from worker.engine.estimate.probe import DoesNotFit
from worker.engine.estimate.synthetic import synthetic_dataset
from worker.engine.execution import Execution
from worker.engine.outcome import DeviceUnavailable
from worker.engine.plan import Plan

BAD_INPUT, FAILED = 2, 1
GIB = 2**30
SHORT_SECONDS, DAY_SECONDS = 100, 86_400
#: The loader gets this share of the seconds.
LOADER_SHARE = 0.4


@dataclass(frozen=True)
class Question:
    """`has_images` is false where the images' number is taken from what is known of the dataset."""

    config: RunConfig
    has_images: bool
    seconds: float
    json: Path | None


@dataclass(frozen=True)
class ArmEstimate:
    """`device_images_per_second` is without the loader; an epoch has its share of evaluations in it."""

    images_per_second: float
    device_images_per_second: float
    step_seconds: float
    epoch_seconds: float
    total_seconds: float
    peak_bytes: int | None
    bound_by: str
    compute: float
    measured_steps: int


@dataclass(frozen=True)
class Estimate:
    arms: dict[str, ArmEstimate]
    loader_images_per_second: float | None
    available_bytes: int | None
    notes: list[str]

    @property
    def time_saved(self) -> float:
        return 1.0 - self.arms[SD].total_seconds / self.arms[BASELINE].total_seconds


def run(question: Question) -> int:
    """Prints the estimate. The exit code."""
    config = question.config
    try:
        dataset = open_dataset(config) if question.has_images else None
        settled = execution.settle(config)
        counted = _counted(config, dataset)
        cost = measure_device(config, counted, settled, seconds=question.seconds)
        loader = None
        if dataset is not None:
            loader = measure_loader(_plan(config, dataset, settled), seconds=LOADER_SHARE * question.seconds)
    except (DataError, DeviceUnavailable) as refusal:
        print(refusal, file=sys.stderr)
        return BAD_INPUT
    except DoesNotFit as error:
        print(f"not even two images at a time fit the memory: {error}; take a smaller network", file=sys.stderr)
        return FAILED
    estimate = _estimate(config, counted, cost, loader, settled)
    for line in _told(config, counted, estimate, settled):
        print(line)
    if question.json is not None:
        return _write_json(question.json, _as_json(config, counted, estimate, settled))
    return 0


def _counted(config: RunConfig, dataset: Dataset | None) -> Dataset:
    """Noise in the numbers and the size of the images."""
    facts = DATASETS[config.dataset]
    train = len(dataset.train) if dataset else facts.train_images
    val = len(dataset.val) if dataset else facts.val_images
    classes = len(dataset.classes) if dataset else facts.classes
    assert train is not None
    assert val is not None
    assert classes is not None
    return synthetic_dataset(train=train, val=val, classes=classes, side=config.image_side)


def _plan(config: RunConfig, dataset: Dataset, settled: Execution) -> Plan:
    """One device's part of each batch."""
    part = {"devices": 1, "batch": config.batch // config.devices, "lr": config.peak_lr}
    return Plan(RunConfig.model_validate({**config.model_dump(mode="json"), **part}), dataset, settled)


def _estimate(
    config: RunConfig, dataset: Dataset, cost: DeviceCost, loader: float | None, settled: Execution
) -> Estimate:
    loaded = None if loader is None else loader * config.devices
    arms = {name: _arm(config, dataset, cost, name, loaded, settled) for name in NAMES}
    available = Peak(settled.device).available()
    return Estimate(arms, loaded, available, list(_notes(config, cost, arms, loaded, available, settled)))


def _arm(
    config: RunConfig, dataset: Dataset, cost: DeviceCost, name: str, loader: float | None, settled: Execution
) -> ArmEstimate:
    arm = cost.arms[name]
    device_rate = config.batch / arm.step_seconds
    rate, bound_by = _together(device_rate, loader, shares_cpu=_shares_cpu(config, settled))
    forward_rate, _ = _together(config.devices / cost.forward_seconds, loader, shares_cpu=_shares_cpu(config, settled))
    evaluations = -(-config.epochs // config.eval_every)
    looked_at = len(dataset.val) + config.bn_reestimate * config.micro_batch * config.devices
    steps = len(dataset.train) // config.batch
    total = config.epochs * steps * config.batch / rate + evaluations * looked_at / forward_rate
    return ArmEstimate(
        images_per_second=rate,
        device_images_per_second=device_rate,
        step_seconds=arm.step_seconds,
        epoch_seconds=total / config.epochs,
        total_seconds=total,
        peak_bytes=arm.peak_bytes,
        bound_by=bound_by,
        compute=arm.compute,
        measured_steps=arm.steps,
    )


def _shares_cpu(config: RunConfig, settled: Execution) -> bool:
    """Whether what loads images and what trains take turns on the same processors."""
    return settled.device.type == "cpu" or config.loader_workers == 0


def _together(device: float, loader: float | None, *, shares_cpu: bool) -> tuple[float, str]:
    """Images a second of both, and which of them it is that takes the longer."""
    if loader is None:
        return device, "device (no images to measure a loader with)"
    bound_by = "device" if device <= loader else "loader"
    return (1 / (1 / device + 1 / loader) if shares_cpu else min(device, loader)), bound_by


def _notes(
    config: RunConfig,
    cost: DeviceCost,
    arms: dict[str, ArmEstimate],
    loader: float | None,
    available: int | None,
    settled: Execution,
) -> Iterator[str]:
    if cost.fits is not None:
        yield f"{config.micro_batch} images at a time do not fit; {cost.fits} do{_remedy(config, cost.fits)}"
    elif cost.size < config.micro_batch:
        yield f"measured with {cost.size} images at a time and scaled to {config.micro_batch}; memory is extrapolated"
        needed = arms[BASELINE].peak_bytes
        if needed is not None and available is not None and needed > available:
            fitting = max(1, int(config.micro_batch * available / needed))
            yield f"that is more memory than there is{_remedy(config, fitting)}"
    if config.devices > 1:
        yield f"measured on one of {config.devices} devices; what they tell each other is not in it"
    if loader is not None and _shares_cpu(config, settled):
        yield "loader and training take turns on the same processors, so their times are added"
    if config.compile:
        yield "compiling comes on top, some minutes at the start"


def _remedy(config: RunConfig, fitting: int) -> str:
    """The fewest micro-batches that share the batch equally and are small enough."""
    whole = config.batch // config.devices
    fine = (parts for parts in range(1, whole // 2 + 1) if whole % parts == 0 and whole // parts <= fitting)
    parts = next(fine, None)
    return "" if parts is None else f"; take --accumulation {parts}, or a smaller batch"


def _told(config: RunConfig, dataset: Dataset, estimate: Estimate, settled: Execution) -> Iterator[str]:
    yield (
        f"ResNet-{int(config.depth)} on {settled.device_name}, {settled.threads} threads, amp {settled.amp.value}: "
        f"{len(dataset.train):,} images of {config.dataset.value} at {config.image_side} px, batch {config.batch}, "
        f"{config.epochs} epochs"
    )
    rows = [
        ("", "baseline", "SD"),
        ("images/s", *(f"{arm.images_per_second:,.1f}" for arm in _both(estimate))),
        ("of the device alone", *(f"{arm.device_images_per_second:,.1f}" for arm in _both(estimate))),
        ("an epoch", *(_duration(arm.epoch_seconds) for arm in _both(estimate))),
        (f"all {config.epochs}", *(_duration(arm.total_seconds) for arm in _both(estimate))),
        ("peak memory", *(_gib(arm.peak_bytes) for arm in _both(estimate))),
        ("compute", *(f"{100 * arm.compute:.1f} %" for arm in _both(estimate))),
        ("bound by", *(arm.bound_by.split(" (")[0] for arm in _both(estimate))),
        ("steps measured", *(str(arm.measured_steps) for arm in _both(estimate))),
    ]
    yield from (f"{name:<20}{baseline:>18}{with_sd:>18}" for name, baseline, with_sd in rows)
    yield f"stochastic depth (pL {config.pL:g}, {config.sd_mode}) saves {100 * estimate.time_saved:.1f} % of the time"
    if estimate.loader_images_per_second is None:
        yield "no images were given, so the loader is not measured; --data_dir measures it"
    else:
        yield f"the loader delivers {estimate.loader_images_per_second:,.1f} images/s"
    if estimate.available_bytes is not None:
        yield f"there are {_gib(estimate.available_bytes)} of memory"
    yield from (f"note: {note}" for note in estimate.notes)


def _both(estimate: Estimate) -> list[ArmEstimate]:
    return [estimate.arms[name] for name in NAMES]


def _duration(seconds: float) -> str:
    if seconds < SHORT_SECONDS:
        return f"{seconds:.1f} s"
    return str(timedelta(seconds=round(seconds))) if seconds < DAY_SECONDS else f"{seconds / DAY_SECONDS:.1f} days"


def _gib(amount: int | None) -> str:
    return "not known" if amount is None else f"{amount / GIB:.2f} GiB"


def _as_json(config: RunConfig, dataset: Dataset, estimate: Estimate, settled: Execution) -> dict[str, Any]:
    return {
        "device": settled.device_name,
        "threads": settled.threads,
        "amp": settled.amp.value,
        "versions": execution.versions(),
        "config": config.model_dump(mode="json"),
        "train_images": len(dataset.train),
        "time_saved": estimate.time_saved,
        **asdict(estimate),
    }


def _write_json(path: Path, content: dict[str, Any]) -> int:
    try:
        write_text(path, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        print(f"--json {path} cannot be written: {error.strerror}", file=sys.stderr)
        return BAD_INPUT
    return 0
