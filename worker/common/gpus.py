"""Which GPUs this process was granted, read from the environment as CUDA, ROCm and torch read it.

CUDA_VISIBLE_DEVICES (CUDA C++ Programming Guide, "CUDA Environment Variables") is a list of indices, or of UUIDs that
begin with GPU- or MIG- and may be shortened for as long as they fit one device. The first entry that is none ends the
list, so -1, NoDevFiles, which Slurm sets for a job without GPUs, and nothing at all grant no GPU. torch reads indices
with strtoul ("1gpu" is 1), takes the kind of the first entry for that of all, and nothing where an entry comes twice.

On ROCm HIP_VISIBLE_DEVICES, or in its place CUDA_VISIBLE_DEVICES, has indices among those that ROCR_VISIBLE_DEVICES
leaves (ROCm, "GPU isolation techniques").

A list says nothing of whether there is a GPU: it may be a leftover on a machine without a driver.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

CUDA, HIP, ROCR = "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
#: What HIP reads as no device; an empty text it reads as no word about them.
NONE_OF_HIP = "-1"
#: How it is said that there shall be no GPU.
NOTHING = ("", "-1", "NoDevFiles", "none", "void")
#: What a driver puts up: on Linux, on Tegra, and where Windows lends its GPUs to WSL.
NVIDIA_DRIVER = ("/proc/driver/nvidia/version", "/dev/nvidia[0-9]*", "/dev/nvmap", "/dev/dxg")
AMD_DRIVER = ("/dev/kfd", "/dev/dxg")
THIS_MACHINE = "this machine has"
_INDEX = re.compile(r"\+?\d+")
_UUIDS = ("GPU-", "MIG-")


@dataclass(frozen=True)
class Grant:
    """`ids` are what a process's own variable has to name, in the order of their numbers: cuda:0 is the first.

    None where nothing is said and nobody knows how many there are. `told` says who says so, for a person.
    """

    ids: tuple[str, ...] | None
    told: str
    #: Something was meant to be granted, and nothing could be read.
    is_odd: bool = False

    def refusal_of(self, number: int) -> str | None:
        """Why cuda:`number` is not granted; None where it is."""
        if self.ids is None or number < len(self.ids):
            return None
        names = [f"cuda:{index}" for index in range(len(self.ids))]
        return f"{self.told} {'only ' + ', '.join(names) if names else 'no GPU'}"


def granted(environment: Mapping[str, str], *, known: Sequence[str] | None = None, rocm: bool = False) -> Grant:
    """`known` are the UUIDs of this machine's GPUs in the order of their indices, where that is known.

    Of a machine that is known to have none nothing is granted, whatever a list names.
    """
    if known is not None and not known:
        said = granted(environment, rocm=rocm)
        return replace(said, ids=(), told=said.told if said.ids == () else THIS_MACHINE)
    if rocm:
        return _granted_by_rocm(environment)
    value = environment.get(CUDA)
    if value is None:
        return Grant(None if known is None else tuple(known), THIS_MACHINE)
    return _of(CUDA, value, read(value, known=known))


def driver_is_here(*, rocm: bool = False) -> bool:
    """Without one there is no GPU; with one there may be, in a container that cannot ask for more."""
    root = Path("/")
    return any(any(root.glob(place.lstrip("/"))) for place in (AMD_DRIVER if rocm else NVIDIA_DRIVER))


def read(value: str, *, known: Sequence[str] | None = None) -> tuple[str, ...]:
    """The devices that a list names, as CUDA and torch read it."""
    entries = [entry.strip() for entry in value.split(",")]
    kind = next((prefix for prefix in _UUIDS if entries[0].startswith(prefix)), "")
    found: list[str] = []
    for entry in entries:
        device = _uuid(entry, kind, known) if kind else _index(entry, known)
        if device is None:
            break
        if device in found:
            return ()
        found.append(device)
    return tuple(found)


def visible(ids: Sequence[str], *, rocm: bool = False) -> dict[str, str]:
    """What a process's environment has to say for it to see just these of the granted devices."""
    return {HIP: ",".join(ids) or NONE_OF_HIP} if rocm else {CUDA: ",".join(ids)}


def counted_as(environment: Mapping[str, str]) -> dict[str, str]:
    """In which order indices count: as whoever granted them meant it, and as nvidia-smi does where they are our own."""
    return {} if CUDA in environment else {ORDER: "PCI_BUS_ID"}


def _granted_by_rocm(environment: Mapping[str, str]) -> Grant:
    left = read(environment[ROCR]) if ROCR in environment else None
    name = next((name for name in (HIP, CUDA) if environment.get(name)), None)
    if name is not None:
        chosen = read(environment[name], known=left)
        return _of(name, environment[name], chosen)
    if left is not None:
        return _of(ROCR, environment[ROCR], tuple(str(index) for index in range(len(left))))
    return Grant(None, THIS_MACHINE)


def _of(name: str, value: str, ids: tuple[str, ...]) -> Grant:
    return Grant(ids, f"{name} {value!r} grants", is_odd=value.strip() not in NOTHING)


def _index(entry: str, known: Sequence[str] | None) -> str | None:
    digits = _INDEX.match(entry)
    if digits is None or (known is not None and int(digits[0]) >= len(known)):
        return None
    return str(int(digits[0]))


def _uuid(entry: str, kind: str, known: Sequence[str] | None) -> str | None:
    """A GPU's whole UUID where the known ones have one that fits; of MIG's parts nobody has told."""
    if not entry.startswith(kind) or entry == kind:
        return None
    if known is None or kind == "MIG-":
        return entry
    fitting = [uuid for uuid in known if uuid.startswith(entry)]
    return fitting[0] if len(fitting) == 1 else None
