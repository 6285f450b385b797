"""Which of a machine's free devices a run takes. The worker takes them so, and the controller rings accordingly."""

from __future__ import annotations

from collections.abc import Sequence

from worker.contract.config import Device

GPU = "cuda"


def choose_devices(free: Sequence[str], *, devices: int, device: Device) -> list[str] | None:
    """Of the names in `free` ("cuda:0", "cpu:0") those to take; None where they do not suffice.

    A run takes all its GPUs at once. On a CPU its processes share one slot. A run for the CPU takes a GPU's slot only
    where no other is left; one for a GPU takes nothing else; `auto` prefers GPUs.
    """
    gpus = [name for name in free if name.startswith(GPU)]
    others = [name for name in free if not name.startswith(GPU)]
    if device is Device.CPU:
        return [*others, *gpus][:1] or None
    if len(gpus) >= devices:
        return gpus[:devices]
    return others[:1] or None if device is Device.AUTO else None
