"""Where a run executes: its device, its threads, and the settings that make the same run give the same bits."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from worker.common.cores import usable_cores
from worker.common.gpus import Grant, driver_is_here, granted
from worker.contract import VERSION
from worker.contract.config import Amp, Device, RunConfig
from worker.engine.outcome import DeviceUnavailable
from worker.engine.ranks import ALONE, Ranks


@dataclass(frozen=True)
class Execution:
    """`amp` is settled: it is not auto."""

    device: torch.device
    device_name: str
    amp: Amp
    threads: int
    ranks: Ranks = ALONE

    def wait(self) -> None:
        """Until the device has done all that it was asked for."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def settle(config: RunConfig, *, recorded_threads: int | None = None, ranks: Ranks = ALONE) -> Execution:
    """Chooses device and threads and sets torch accordingly, for the whole process.

    A resumed run keeps the threads that its checkpoint recorded, because another number rounds differently.
    Raises DeviceUnavailable.
    """
    here = config.devices if ranks.count == 1 else ranks.local_count
    device = device_of(config, local_rank=ranks.local_rank, local_count=here)
    refuse_unless_compilable(config, device)
    amp = _amp(config.amp, device)
    threads = config.threads or recorded_threads or max(1, _own_threads() // here)
    torch.set_num_threads(threads)
    _be_deterministic(autotune=config.autotune)
    one = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({_processor()})"
    name = one if ranks.count == 1 else f"{ranks.count} x {one}"
    return Execution(device=device, device_name=name, amp=amp, threads=threads, ranks=ranks)


def _processor() -> str:
    """Its model, by which times may be compared, where the system tells it; else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next((model for model in models if model), platform.machine())


def _own_threads() -> int:
    """torch counts the machine's cores, of which a container may use fewer."""
    own = torch.get_num_threads()
    return own if "OMP_NUM_THREADS" in os.environ else min(own, usable_cores())


def refuse_unless_compilable(config: RunConfig, device: torch.device) -> None:
    """Raises DeviceUnavailable; on a GPU Triton would ask for its compiler only at the first step."""
    on_cpu = device.type == "cpu"
    named = os.environ.get("CXX" if on_cpu else "CC")
    compilers = [named] if named else (["g++"] if on_cpu else ["gcc", "clang"])
    if config.compile and not any(shutil.which(compiler) for compiler in compilers):
        what = f"the {'C++' if on_cpu else 'C'} compiler {' or '.join(compilers)} on a {'CPU' if on_cpu else 'GPU'}"
        raise DeviceUnavailable(f"compile needs {what}; install it or turn compile off")


def notices(config: RunConfig, device: torch.device) -> list[str]:
    """What a person should know of the device, and of the promise that a resumed run ends with the same bits."""
    found = []
    if config.autotune:
        found.append(
            "autotune is on: a run that was paused or killed agrees with one that never was only up to rounding"
        )
    if device.type == "cpu" and config.device is Device.AUTO and gpu_grant().is_odd:
        found.append(f"{gpu_grant().told} no GPU that torch finds; training on the CPU")
    return found


def gpu_grant() -> Grant:
    """Which GPUs the environment leaves to this process."""
    return granted(os.environ, rocm=torch.version.hip is not None)


def versions() -> dict[str, str]:
    return {"resdrop": VERSION, "python": platform.python_version(), "torch": str(torch.__version__)}


def device_of(config: RunConfig, *, local_rank: int = 0, local_count: int | None = None) -> torch.device:
    """The device of this rank. Raises DeviceUnavailable where the machine has too few.

    `local_count` ranks are on this machine, where a launcher has spread them over several; else all.
    """
    found = torch.cuda.device_count()
    if config.device is Device.CPU or (config.device is Device.AUTO and not found):
        return torch.device("cpu")
    if not found:
        raise DeviceUnavailable(
            f"device cuda: torch sees no CUDA device here ({_why_no_gpu()}); set device to cpu or auto"
        )
    here = config.devices if local_count is None else local_count
    if here > found:
        granted_ids = gpu_grant().ids
        who = "here" if granted_ids is None or len(granted_ids) > found else f"that {gpu_grant().told}"
        raise DeviceUnavailable(f"devices {here} exceeds the {found} CUDA devices {who}; lower it to {found} or less")
    return torch.device("cuda", local_rank)


def _why_no_gpu() -> str:
    """Whether the environment hides them, the machine has none, or torch does not find what there is."""
    grant, rocm = gpu_grant(), torch.version.hip is not None
    if grant.ids == ():
        return f"{grant.told} none"
    if not driver_is_here(rocm=rocm):
        return f"this machine has no driver of {'an AMD' if rocm else 'an NVIDIA'} GPU"
    named = f"of those that {grant.told} it finds none" if grant.ids else "it finds none"
    return f"the driver is here, but {named}; `./resdrop doctor` looks for the cause"


def _amp(wanted: Amp, device: torch.device) -> Amp:
    if device.type == "cpu":
        if wanted is Amp.FP16:
            raise DeviceUnavailable("amp fp16 needs a GPU; set amp to auto, off or bf16")
        return Amp.OFF if wanted is Amp.AUTO else wanted
    if wanted is Amp.AUTO:
        return Amp.BF16 if torch.cuda.is_bf16_supported(including_emulation=False) else Amp.FP16
    return wanted


def _be_deterministic(*, autotune: bool) -> None:
    """The same bits each time, unless what is fastest shall be found by measuring."""
    # cuBLAS reads this when its first handle is made; without it deterministic matrix products are refused.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = autotune
    # An operation without a deterministic form warns, so that a run on a new device says so and still runs.
    torch.use_deterministic_algorithms(not autotune, warn_only=True)
    # Deterministic mode would otherwise fill every torch.empty, which nothing here reads unwritten.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
