"""Where a run executes: its device, its threads, and the settings that make the same run give the same bits."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

import torch

from worker.contract.config import Device, RunConfig
from worker.engine.outcome import DeviceUnavailable


@dataclass(frozen=True)
class Execution:
    device: torch.device
    device_name: str
    threads: int


def settle(config: RunConfig, *, recorded_threads: int | None = None) -> Execution:
    """Chooses device and threads and sets torch accordingly, for the whole process.

    A resumed run keeps the threads that its checkpoint recorded, because another number rounds differently.
    Raises DeviceUnavailable.
    """
    device = _device(config.device)
    threads = config.threads or recorded_threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    _be_deterministic()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({platform.machine()})"
    return Execution(device=device, device_name=name, threads=threads)


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), "torch": torch.__version__}


def _device(wanted: Device) -> torch.device:
    available = torch.cuda.is_available()
    if wanted is Device.CUDA and not available:
        raise DeviceUnavailable("device cuda: torch sees no CUDA device here; set device to cpu or auto")
    return torch.device("cuda" if available and wanted is not Device.CPU else "cpu")


def _be_deterministic() -> None:
    # cuBLAS reads this when its first handle is made; without it deterministic matrix products are refused.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    # An operation without a deterministic form warns, so that a run on a new device says so and still runs.
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Deterministic mode would otherwise fill every torch.empty, which nothing here reads unwritten.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
