"""The slots of this machine, one for each training that may run at a time, found without torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from worker.common.cores import usable_cores
from worker.common.gpus import THIS_MACHINE, Grant, driver_is_here, granted
from worker.contract.config import Device
from worker.contract.devices import choose_devices

#: One spelling for each, so that no slot is there twice.
_NAME = re.compile(r"(cpu|cuda):(0|[1-9][0-9]*)")
_NVIDIA_SMI_SECONDS = 20


@dataclass(frozen=True)
class Slot:
    """`visible` is what CUDA_VISIBLE_DEVICES, or its like of ROCm, has to say for a process here; "" for a CPU."""

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
        return max(1, usable_cores() // len(self.all))


def find_slots(wanted: str | None = None, *, environment: Mapping[str, str] = os.environ) -> list[Slot]:
    """Those in `wanted` ("cuda:0,cpu:0"), else one for each GPU, else one for the CPU.

    cuda:0 is the first of the GPUs that the environment grants (see worker.common.gpus), if the machine has any.
    Raises ValueError where `wanted` cannot be read, or names what is not granted.
    """
    rocm = uses_rocm()
    grant = granted(environment, known=_gpus(rocm=rocm), rocm=rocm)
    if wanted:
        return [_named(name, wanted, grant) for name in _names(wanted)]
    return [Slot(f"cuda:{index}", visible) for index, visible in enumerate(grant.ids or ())] or [Slot("cpu:0")]


def uses_rocm() -> bool:
    """Is torch made for AMD's GPUs? Without importing it."""
    try:
        return "+rocm" in version("torch")
    except PackageNotFoundError:
        return False


def _names(wanted: str) -> list[str]:
    names = [part.strip() for part in wanted.split(",")]
    for name in names:
        if not _NAME.fullmatch(name) or names.count(name) > 1:
            raise ValueError(
                f"RESDROP_DEVICES {wanted!r}: {name!r} is unknown or given twice; write cuda:0,cuda:1 or cpu:0,cpu:1"
            )
    return names


def _named(name: str, wanted: str, grant: Grant) -> Slot:
    kind, _, number = name.partition(":")
    if kind == "cpu":
        return Slot(name)
    refusal = grant.refusal_of(int(number))
    if refusal is not None:
        raise ValueError(f"RESDROP_DEVICES {wanted!r}: {refusal}; {_remedy(grant)}")
    return Slot(name, grant.ids[int(number)] if grant.ids is not None else number)


def _remedy(grant: Grant) -> str:
    if grant.told == THIS_MACHINE and not grant.ids:
        return "name cpu:0, or see that the driver is loaded and its own tool (nvidia-smi, rocm-smi) lists the GPU"
    return "name what is granted, counted from 0, or cpu:0, or grant more"


def _gpus(*, rocm: bool) -> list[str] | None:
    """UUIDs; None where a driver is here and nobody can be asked, as in some containers that have GPUs."""
    named = None if rocm else _named_by_nvidia_smi()
    return [] if named is None and not driver_is_here(rocm=rocm) else named


def _named_by_nvidia_smi() -> list[str] | None:
    """In its order: CUDA may count in another, but knows a GPU by its UUID. None where it cannot be asked."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_NVIDIA_SMI_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = answer.stdout.splitlines() if answer.returncode == 0 else []
    return [line.strip() for line in lines if line.startswith("GPU-")]
