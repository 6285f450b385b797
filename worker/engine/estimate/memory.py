"""How much memory steps take at their peak."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_CGROUP = Path("/sys/fs/cgroup/memory.max")
#: Linux: the high-water mark begins again at what is resident now (proc(5), clear_refs).
_RESET_PEAK = "5"


class Peak:
    """Of one device: what torch has allocated on a GPU; on a CPU what the process has resident, where Linux tells."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def now(self) -> int | None:
        if self._device.type == "cuda":
            return torch.cuda.memory_allocated(self._device)
        return _status("VmRSS")

    def reset(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif os.access(_CLEAR, os.W_OK):
            _CLEAR.write_text(_RESET_PEAK)

    def since_reset(self) -> int | None:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return _status("VmHWM")

    def available(self) -> int | None:
        """All that the device, or this machine or container, has."""
        if self._device.type == "cuda":
            return int(torch.cuda.get_device_properties(self._device).total_memory)
        if "SC_PHYS_PAGES" not in os.sysconf_names:
            return None
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return min(physical, _container_limit() or physical)


def _status(field: str) -> int | None:
    if not _STATUS.exists():
        return None
    found = re.search(rf"^{field}:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    return 1024 * int(found[1]) if found else None


def _container_limit() -> int | None:
    text = _CGROUP.read_text().strip() if _CGROUP.exists() else "max"
    return int(text) if text.isdecimal() else None
