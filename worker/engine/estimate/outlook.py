"""What both arms would take, from what was measured of the device and of the loader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from worker.contract.arms import BASELINE, SD
from worker.contract.config import RunConfig
from worker.engine.data.images import Dataset
from worker.engine.estimate.measuring import DeviceCost
from worker.engine.estimate.memory import Peak
from worker.engine.estimate.twins import NAMES
from worker.engine.execution import Execution


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


def estimated(
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
    rate, bound_by = together(device_rate, loader, shares_cpu=_shares_cpu(config, settled))
    forward_rate, _ = together(config.devices / cost.forward_seconds, loader, shares_cpu=_shares_cpu(config, settled))
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
    return settled.device.type == "cpu" or not config.loader_workers


def together(device: float, loader: float | None, *, shares_cpu: bool) -> tuple[float, str]:
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
