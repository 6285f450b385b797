"""Which devices and threads the runs of a comparison get, and how many of them train at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from worker.common.cores import SHARE
from worker.common.gpus import granted, visible
from worker.contract.config import Device, RunConfig

Mode = Literal["sequential", "parallel"]
PAIR = 2


class PlacementRefused(ValueError):
    """This machine cannot run the comparison so; says why and what to do."""


@dataclass(frozen=True)
class Placement:
    """`slots` has the environment of each run that trains at once; `threads` are each run's, None where it has all."""

    slots: tuple[Mapping[str, str], ...]
    threads: int | None
    told: str


def place(
    config: RunConfig, *, mode: Mode, gpu_split: bool, gpus: Sequence[str], cores: int, rocm: bool = False
) -> Placement:
    """`gpus` are names for CUDA_VISIBLE_DEVICES, or its like of ROCm. Raises PlacementRefused."""
    if gpu_split and mode != "parallel":
        raise PlacementRefused("--gpu_split is for runs at once; add --mode parallel, or leave it out")
    if mode == "sequential":
        return Placement(({},), config.threads, "one run after the other")
    on_gpus = () if config.device is Device.CPU else tuple(gpus)
    if len(on_gpus) >= PAIR * config.devices:
        return _apart(config, on_gpus, cores, rocm=rocm)
    if gpu_split:
        raise PlacementRefused(
            f"--gpu_split needs {PAIR * config.devices} GPUs for two runs of devices {config.devices}, and there are "
            f"{len(on_gpus)}; leave it out to share what there is, or take --mode sequential"
        )
    return _sharing(config, on_gpus, cores)


def uses_rocm() -> bool:
    import torch

    return torch.version.hip is not None


def visible_gpus(*, rocm: bool) -> list[str]:
    """Those that this process sees, by names that a child's own variable understands."""
    import torch

    count = torch.cuda.device_count()
    named = granted(os.environ, rocm=rocm).ids
    return list(named[:count]) if named is not None else [str(index) for index in range(count)]


def _apart(config: RunConfig, gpus: Sequence[str], cores: int, *, rocm: bool) -> Placement:
    groups = [gpus[start : start + config.devices] for start in range(0, len(gpus), config.devices)]
    whole = [group for group in groups if len(group) == config.devices]
    threads, named = _share(config, cores, runs=len(whole)), " | ".join(",".join(group) for group in whole)
    told = f"{len(whole)} runs at once, each on GPUs of its own ({named}) and with {threads} CPU threads"
    own = _cores(cores, runs=len(whole))
    return Placement(tuple(visible(group, rocm=rocm) | own for group in whole), threads, told)


def _sharing(config: RunConfig, gpus: Sequence[str], cores: int) -> Placement:
    threads = _share(config, cores, runs=PAIR)
    what = f"GPU {','.join(gpus)}" if gpus else f"the {cores} cores of this CPU"
    told = (
        f"two runs at once share {what}, {threads} CPU threads each; "
        "their times are for being compared with each other, and not with a run alone"
    )
    own = _cores(cores, runs=PAIR)
    return Placement((own, own), threads, told)


def _cores(cores: int, *, runs: int) -> dict[str, str]:
    """Each run's share, by which it chooses how many processes load its images."""
    return {SHARE: str(max(1, cores // runs))}


def _share(config: RunConfig, cores: int, *, runs: int) -> int:
    return config.threads or max(1, cores // (runs * config.devices))
