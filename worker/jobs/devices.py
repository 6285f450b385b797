"""The slots of this machine, one for each training that may run at a time, found without torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from worker.contract.config import Device
from worker.contract.devices import choose_devices

_NAME = re.compile(r"(cpu|cuda):\d+")
_NVIDIA_SMI_SECONDS = 20


@dataclass(frozen=True)
class Slot:
    """`visible` is what CUDA_VISIBLE_DEVICES has to say for a process that trains here; "" for a CPU."""

    name: str
    visible: str = ""

    @property
    def is_gpu(self) -> bool:
        return bool(self.visible)


class Slots:
    """Which slots are free. Thread-safe; a run gets all that it needs at once, or none."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        self.all = tuple(slots)
        self._free = list(self.all)
        self._lock = threading.Lock()

    def take(self, devices: int, *, device: Device) -> tuple[Slot, ...] | None:
        """The slots of a run on so many devices (see `choose_devices`), or None when they are not free."""
        with self._lock:
            names = choose_devices([slot.name for slot in self._free], devices=devices, device=device)
            if names is None:
                return None
            taken = tuple(slot for slot in self._free if slot.name in names)
            self._free = [slot for slot in self._free if slot not in taken]
            return taken

    def give_back(self, slots: Iterable[Slot]) -> None:
        with self._lock:
            returned = {*self._free, *slots}
            self._free = [slot for slot in self.all if slot in returned]

    def names(self) -> list[str]:
        return [slot.name for slot in self.all]

    def free_names(self) -> list[str]:
        with self._lock:
            return [slot.name for slot in self._free]

    def threads_each(self) -> int:
        """A slot's share of the CPUs that this process may use."""
        return max(1, _cpus() // len(self.all))


def find_slots(wanted: str | None = None, *, environment: Mapping[str, str] = os.environ) -> list[Slot]:
    """Those in `wanted` ("cuda:0,cpu:0"), else one for each GPU, else one for the CPU.

    Raises ValueError when `wanted` cannot be read.
    """
    if wanted:
        return _named(wanted)
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    ids = (
        _gpus() if visible is None else [part.strip() for part in visible.split(",") if part.strip() not in ("", "-1")]
    )
    return [Slot(f"cuda:{index}", visible) for index, visible in enumerate(ids)] or [Slot("cpu:0")]


def _named(wanted: str) -> list[Slot]:
    names = [part.strip() for part in wanted.split(",")]
    for name in names:
        if not _NAME.fullmatch(name) or names.count(name) > 1:
            raise ValueError(
                f"RESDROP_DEVICES {wanted!r}: {name!r} is unknown or given twice; write cuda:0,cuda:1 or cpu:0,cpu:1"
            )
    return [Slot(name, name.removeprefix("cuda:") if name.startswith("cuda:") else "") for name in names]


def _gpus() -> list[str]:
    """UUIDs, in the order of nvidia-smi: CUDA may count in another order, but knows a GPU by its UUID."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_NVIDIA_SMI_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.startswith("GPU-")]


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
