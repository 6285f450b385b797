from __future__ import annotations

import stat
from pathlib import Path

import pytest

from worker.contract.config import Device
from worker.jobs.devices import Slot, Slots, find_slots
from worker.jobs.settings import Settings

HOME = {"RESDROP_HOME": "/srv/resdrop"}


def test_everything_lies_below_the_home_unless_told_otherwise() -> None:
    settings = Settings.from_environment(HOME)
    assert settings.redis_url == "unix:///srv/resdrop/redis/redis.sock?db=0"
    assert settings.files == Path("/srv/resdrop/files")
    assert settings.state == Path("/srv/resdrop/worker")
    moved = Settings.from_environment(HOME | {"RESDROP_FILES": "/mnt/files", "RESDROP_WORKER_STATE": "/var/w"})
    assert (moved.files, moved.state) == (Path("/mnt/files"), Path("/var/w"))


@pytest.mark.parametrize("text", ["soon", "-1", "0", "inf", "nan"])
def test_a_time_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"RESDROP_STALL_SECONDS '.*' is no time; give seconds above 0, such as 600"):
        Settings.from_environment(HOME | {"RESDROP_STALL_SECONDS": text})


def test_slots_can_be_named() -> None:
    assert find_slots("cpu:0, cpu:1") == [Slot("cpu:0"), Slot("cpu:1")]
    assert find_slots("cuda:2,cpu:0") == [Slot("cuda:2", "2"), Slot("cpu:0")]


@pytest.mark.parametrize("wanted", ["gpu", "cuda", "cpu:0,cpu:0", "cuda:-1", ","])
def test_slots_that_cannot_be_read_are_refused_with_an_example(wanted: str) -> None:
    with pytest.raises(ValueError, match=r"RESDROP_DEVICES .* write cuda:0,cuda:1 or cpu:0,cpu:1"):
        find_slots(wanted)


def test_a_machine_without_a_gpu_has_one_slot_for_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_slots(environment={}) == [Slot("cpu:0")]


def test_each_gpu_that_nvidia_smi_names_is_a_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho GPU-aaaa\necho GPU-bbbb\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_slots(environment={}) == [Slot("cuda:0", "GPU-aaaa"), Slot("cuda:1", "GPU-bbbb")]


def test_a_driver_that_answers_with_an_error_leaves_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_slots(environment={}) == [Slot("cpu:0")]


def test_gpus_hidden_from_the_worker_are_no_slots() -> None:
    assert find_slots(environment={"CUDA_VISIBLE_DEVICES": "3,GPU-cccc"}) == [
        Slot("cuda:0", "3"),
        Slot("cuda:1", "GPU-cccc"),
    ]
    assert find_slots(environment={"CUDA_VISIBLE_DEVICES": ""}) == [Slot("cpu:0")]
    assert find_slots(environment={"CUDA_VISIBLE_DEVICES": "-1"}) == [Slot("cpu:0")]


def test_a_run_takes_all_the_slots_it_needs_or_none() -> None:
    slots = Slots(find_slots("cuda:0,cuda:1,cuda:2"))
    taken = slots.take(2, device=Device.AUTO)
    assert taken is not None
    assert slots.take(2, device=Device.AUTO) is None
    assert slots.free_names() == ["cuda:2"]
    slots.give_back(taken)
    slots.give_back(taken)
    assert slots.free_names() == ["cuda:0", "cuda:1", "cuda:2"]


def test_a_slot_suits_the_device_that_a_run_asks_for() -> None:
    slots = Slots(find_slots("cpu:0,cuda:0"))
    assert slots.take(1, device=Device.AUTO) == (Slot("cuda:0", "0"),)
    assert slots.take(1, device=Device.CUDA) is None
    assert slots.take(1, device=Device.CPU) == (Slot("cpu:0"),)
    slots.give_back([Slot("cuda:0", "0")])
    assert slots.take(1, device=Device.CPU) == (Slot("cuda:0", "0"),)


def test_slots_share_the_cpus() -> None:
    one = Slots(find_slots("cpu:0")).threads_each()
    many = ",".join(f"cpu:{index}" for index in range(one + 1))
    assert one >= 1
    assert Slots(find_slots(many)).threads_each() == 1
