"""How many CPU cores this process may use: fewer than the machine has, in a container or in a slot of a worker."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

#: The share of whoever started this process beside others.
SHARE = "RESDROP_CORES"
_OWN_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def usable_cores(environment: Mapping[str, str] = os.environ) -> int:
    """By affinity, as Slurm sets it, by the quota of control groups, as containers have one, and by our own share."""
    limits = [_affinity(), *_quotas(), *_share(environment)]
    return max(1, min(limits))


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share(environment: Mapping[str, str]) -> list[int]:
    text = environment.get(SHARE, "")
    return [int(text)] if text.isdecimal() else []


def _quotas(own: Path = _OWN_GROUPS, mount: Path = _MOUNT) -> Iterator[int]:
    """Of this process's groups and those around them, rounded: of a core and a half two are of use."""
    for folder in _folders(own, mount):
        quota = _version2(folder) or _version1(folder)
        if quota is not None:
            yield max(1, math.ceil(quota))


def _folders(own: Path, mount: Path) -> Iterator[Path]:
    """Within a container the mount's root is the own group, whatever path the kernel tells."""
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if controllers and "cpu" not in controllers.split(","):
                continue
            root = mount / controllers if controllers else mount
            group = root / path.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(root))


def _version2(folder: Path) -> float | None:
    """cpu.max: microseconds of CPU in each period of so many, or max."""
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    return None


def _version1(folder: Path) -> float | None:
    """-1 is no quota."""
    with suppress(OSError, ValueError):
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None
    return None
