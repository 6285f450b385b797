from __future__ import annotations

import pytest

from worker.contract.config import Device
from worker.contract.devices import choose_devices

GPUS = ["cuda:0", "cuda:1", "cuda:2"]


@pytest.mark.parametrize(
    ("free", "devices", "device", "taken"),
    [
        (GPUS, 2, Device.AUTO, ["cuda:0", "cuda:1"]),
        (GPUS, 3, Device.CUDA, GPUS),
        (GPUS, 4, Device.CUDA, None),
        (GPUS, 4, Device.AUTO, None),
        (["cpu:0"], 4, Device.AUTO, ["cpu:0"]),
        (["cpu:0"], 1, Device.CUDA, None),
        ([*GPUS, "cpu:0"], 2, Device.CPU, ["cpu:0"]),
        (["cuda:1"], 2, Device.CPU, ["cuda:1"]),
        (["cuda:1", "cpu:0"], 1, Device.AUTO, ["cuda:1"]),
        ([], 1, Device.AUTO, None),
    ],
)
def test_a_run_takes_all_its_gpus_at_once_or_one_slot_of_a_cpu(
    free: list[str], devices: int, device: Device, taken: list[str] | None
) -> None:
    assert choose_devices(free, devices=devices, device=device) == taken
