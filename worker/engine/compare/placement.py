"""Which devices and threads the runs of a comparison get, and how many of them train at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from worker.contract.config import Device, RunConfig

Mode = Literal["sequential", "parallel"]
PAIR = 2
VISIBLE = "CUDA_VISIBLE_DEVICES"


class PlacementRefused(ValueError):
    """This machine cannot run the comparison so; says why and what to do."""


@dataclass(frozen=True)
class Placement:
    """`slots` has the environment of each run that trains at once; `threads` are each run's, None where it has all."""

    slots: tuple[Mapping[str, str], ...]
    threads: int | None
    told: str


def place(config: RunConfig, *, mode: Mode, gpu_split: bool, gpus: Sequence[str], cores: int) -> Placement:
    """`gpus` are names for CUDA_VISIBLE_DEVICES. Raises PlacementRefused."""
    if gpu_split and mode != "parallel":
        raise PlacementRefused("--gpu_split is for runs at once; add --mode parallel, or leave it out")
    if mode == "sequential":
        return Placement(({},), config.threads, "one run after the other")
    on_gpus = () if config.device is Device.CPU else tuple(gpus)
    if len(on_gpus) >= PAIR * config.devices:
        return _apart(config, on_gpus, cores)
    if gpu_split:
        raise PlacementRefused(
            f"--gpu_split needs {PAIR * config.devices} GPUs for two runs of devices {config.devices}, and there are "
            f"{len(on_gpus)}; leave it out to share what there is, or take --mode sequential"
        )
    return _sharing(config, on_gpus, cores)


def visible_gpus() -> list[str]:
    """Those that this process sees, by names that a child's CUDA_VISIBLE_DEVICES understands."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get(VISIBLE, "")
    return named.split(",")[:count] if named else [str(index) for index in range(count)]


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _apart(config: RunConfig, gpus: Sequence[str], cores: int) -> Placement:
    groups = [gpus[start : start + config.devices] for start in range(0, len(gpus), config.devices)]
    whole = [",".join(group) for group in groups if len(group) == config.devices]
    threads = _share(config, cores, runs=len(whole))
    told = f"{len(whole)} runs at once, each on GPUs of its own ({' | '.join(whole)}) and with {threads} CPU threads"
    return Placement(tuple({VISIBLE: names} for names in whole), threads, told)


def _sharing(config: RunConfig, gpus: Sequence[str], cores: int) -> Placement:
    threads = _share(config, cores, runs=PAIR)
    what = f"GPU {','.join(gpus)}" if gpus else f"the {cores} cores of this CPU"
    told = (
        f"two runs at once share {what}, {threads} CPU threads each; "
        "their times are for being compared with each other, and not with a run alone"
    )
    return Placement(({}, {}), threads, told)


def _share(config: RunConfig, cores: int, *, runs: int) -> int:
    return config.threads or max(1, cores // (runs * config.devices))
