"""An estimate as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from worker.contract.arms import SD
from worker.contract.config import RunConfig
from worker.engine.data.images import Dataset
from worker.engine.estimate.outlook import ArmEstimate, Estimate
from worker.engine.estimate.twins import NAMES, twin
from worker.engine.execution import Execution

GIB = 2**30
SHORT_SECONDS, DAY_SECONDS = 100, 86_400


def told(config: RunConfig, dataset: Dataset, estimate: Estimate, settled: Execution, *, loader: str) -> Iterator[str]:
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
    each = " for each device" if config.devices > 1 else ""
    if estimate.loader_images_per_second is None:
        yield "no images were given, so the loader is not measured; --data_dir measures it"
    else:
        yield f"the loader delivers {estimate.loader_images_per_second:,.1f} images/s with {loader}{each}"
    if estimate.available_bytes is not None:
        yield f"there are {_gib(estimate.available_bytes)} of memory"
    warnings = twin(config, SD).warnings()
    yield from (f"note: {note}" for note in (*estimate.notes, *warnings))


def _both(estimate: Estimate) -> list[ArmEstimate]:
    return [estimate.arms[name] for name in NAMES]


def _duration(seconds: float) -> str:
    if seconds < SHORT_SECONDS:
        return f"{seconds:.1f} s"
    return str(timedelta(seconds=round(seconds))) if seconds < DAY_SECONDS else f"{seconds / DAY_SECONDS:.1f} days"


def _gib(amount: int | None) -> str:
    return "not known" if amount is None else f"{amount / GIB:.2f} GiB"
