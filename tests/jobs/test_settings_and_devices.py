from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from tests.jobs.parts import RedisServer, WorkerProcess
from worker.common import gpus
from worker.contract.config import Device
from worker.jobs import devices
from worker.jobs.attempt import trainer_environment
from worker.jobs.devices import Slot, Slots, find_slots
from worker.jobs.settings import Settings

HOME = {"RESDROP_HOME": "/srv/resdrop"}


@pytest.fixture
def without_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a GPU, whatever this one has, and where its driver would show."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpus, "NVIDIA_DRIVER", (str(tmp_path / "version"),))
    return tmp_path / "version"


@pytest.fixture
def driver(without_driver: Path) -> None:
    """A driver and no nvidia-smi, as in some containers: the environment's word is all there is."""
    without_driver.write_text("NVRM version: a stand-in\n")


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


@pytest.mark.usefixtures("driver")
def test_slots_can_be_named() -> None:
    assert find_slots("cpu:0, cpu:1", environment={}) == [Slot("cpu:0"), Slot("cpu:1")]
    assert find_slots("cuda:2,cpu:0", environment={}) == [Slot("cuda:2", "2"), Slot("cpu:0")]


@pytest.mark.parametrize(
    ("granted", "wanted", "slots"),
    [
        ("4,5", "cuda:0", [Slot("cuda:0", "4")]),
        ("4,5", "cuda:1,cpu:0", [Slot("cuda:1", "5"), Slot("cpu:0")]),
        (" 5, 4 ", "cuda:0,cuda:1", [Slot("cuda:0", "5"), Slot("cuda:1", "4")]),
        ("GPU-aaaa,GPU-bbbb", "cuda:1", [Slot("cuda:1", "GPU-bbbb")]),
        ("NoDevFiles", "cpu:0", [Slot("cpu:0")]),
    ],
)
@pytest.mark.usefixtures("driver")
def test_a_named_slot_is_one_of_those_that_were_granted(granted: str, wanted: str, slots: list[Slot]) -> None:
    assert find_slots(wanted, environment={"CUDA_VISIBLE_DEVICES": granted}) == slots


@pytest.mark.parametrize(
    ("granted", "wanted", "said"),
    [
        ("4,5", "cuda:4", "RESDROP_DEVICES 'cuda:4': CUDA_VISIBLE_DEVICES '4,5' grants only cuda:0, cuda:1; name what"),
        ("4,5", "cuda:2", "grants only cuda:0, cuda:1"),
        ("0,-1,1", "cuda:1", "CUDA_VISIBLE_DEVICES '0,-1,1' grants only cuda:0"),
        ("NoDevFiles", "cuda:0", "CUDA_VISIBLE_DEVICES 'NoDevFiles' grants no GPU; name what is granted"),
        ("", "cuda:0", "CUDA_VISIBLE_DEVICES '' grants no GPU"),
        ("0,0", "cuda:0", "CUDA_VISIBLE_DEVICES '0,0' grants no GPU"),
    ],
)
@pytest.mark.usefixtures("driver")
def test_a_slot_that_was_not_granted_is_refused_with_the_remedy(granted: str, wanted: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        find_slots(wanted, environment={"CUDA_VISIBLE_DEVICES": granted})


def test_a_worker_that_names_what_was_not_granted_says_so_and_ends(tmp_path: Path, redis_server: RedisServer) -> None:
    worker = WorkerProcess(
        tmp_path / "home", redis_server.url, RESDROP_DEVICES="cuda:0", CUDA_VISIBLE_DEVICES="NoDevFiles"
    )
    worker.start()
    try:
        assert worker.wait(60) == 2
        assert "CUDA_VISIBLE_DEVICES 'NoDevFiles' grants no GPU" in worker.log()
    finally:
        worker.end()


@pytest.mark.parametrize("wanted", ["gpu", "cuda", "cpu:0,cpu:0", "cpu:0,cpu:00", "cuda:00", "cuda:-1", ","])
def test_slots_that_cannot_be_read_are_refused_with_an_example(wanted: str) -> None:
    with pytest.raises(ValueError, match=r"RESDROP_DEVICES .* write cuda:0,cuda:1 or cpu:0,cpu:1"):
        find_slots(wanted)


@pytest.mark.usefixtures("without_driver")
def test_a_machine_without_a_gpu_has_one_slot_for_the_cpu() -> None:
    assert find_slots(environment={}) == [Slot("cpu:0")]


@pytest.mark.parametrize("left_over", ["0", "1,0", "GPU-1", "MIG-abc"])
@pytest.mark.usefixtures("without_driver")
def test_a_list_of_gpus_makes_none_where_there_is_no_driver(left_over: str) -> None:
    environment = {"CUDA_VISIBLE_DEVICES": left_over}
    assert find_slots(environment=environment) == [Slot("cpu:0")]
    with pytest.raises(ValueError, match=r"RESDROP_DEVICES 'cuda:0': this machine has no GPU; name cpu:0, or see that"):
        find_slots("cuda:0", environment=environment)


@pytest.mark.usefixtures("without_driver")
def test_a_gpu_named_on_a_machine_without_one_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"this machine has no GPU; name cpu:0, or see that the driver is loaded"):
        find_slots("cpu:0,cuda:0", environment={})
    assert find_slots("cpu:0,cpu:1", environment={}) == [Slot("cpu:0"), Slot("cpu:1")]


def test_on_rocm_it_is_amds_driver_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "uses_rocm", lambda: True)
    monkeypatch.setattr(gpus, "AMD_DRIVER", (str(tmp_path / "kfd"),))
    environment = {"HIP_VISIBLE_DEVICES": "1"}
    assert find_slots(environment=environment) == [Slot("cpu:0")]
    (tmp_path / "kfd").touch()
    assert find_slots(environment=environment) == [Slot("cuda:0", "1")]


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
    assert find_slots(environment={"CUDA_VISIBLE_DEVICES": "MIG-abc"}) == [Slot("cpu:0")]


@pytest.mark.usefixtures("driver")
def test_gpus_hidden_from_the_worker_are_no_slots() -> None:
    assert find_slots(environment={"CUDA_VISIBLE_DEVICES": "3,5"}) == [Slot("cuda:0", "3"), Slot("cuda:1", "5")]
    for none in ("", "-1", "NoDevFiles", "0,0"):
        assert find_slots(environment={"CUDA_VISIBLE_DEVICES": none}) == [Slot("cpu:0")]


def test_gpus_that_the_machine_does_not_have_are_no_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho GPU-aaaa\necho GPU-bbbb\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_slots(environment={"CUDA_VISIBLE_DEVICES": "1,7,0"}) == [Slot("cuda:0", "1")]
    with pytest.raises(ValueError, match="this machine has only cuda:0, cuda:1; name what is granted"):
        find_slots("cuda:2", environment={})
    assert find_slots("cuda:1", environment={}) == [Slot("cuda:1", "GPU-bbbb")]


SURROUNDINGS = {"PATH": "/bin", "RESDROP_TOKEN": "hush"}


def test_a_trainer_sees_its_own_slots_alone() -> None:
    two = [Slot("cuda:0", "4"), Slot("cuda:2", "6")]
    granted = SURROUNDINGS | {"CUDA_VISIBLE_DEVICES": "4,5,6"}
    given = trainer_environment(two, threads=3, environment=granted)
    assert given["CUDA_VISIBLE_DEVICES"] == "4,6"
    assert "CUDA_DEVICE_ORDER" not in given, "an index counts as whoever granted it counts"
    assert (given["OMP_NUM_THREADS"], given["RESDROP_CORES"]) == ("3", "6")
    assert "RESDROP_TOKEN" not in given


def test_a_trainer_of_slots_that_nobody_granted_counts_as_nvidia_smi_does() -> None:
    given = trainer_environment([Slot("cuda:1", "1")], threads=2, environment=SURROUNDINGS)
    assert (given["CUDA_VISIBLE_DEVICES"], given["CUDA_DEVICE_ORDER"]) == ("1", "PCI_BUS_ID")
    assert trainer_environment([Slot("cpu:0")], threads=2, environment=SURROUNDINGS)["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.usefixtures("driver")
def test_a_run_takes_all_the_slots_it_needs_or_none() -> None:
    slots = Slots(find_slots("cuda:0,cuda:1,cuda:2", environment={}))
    taken = slots.take(2, device=Device.AUTO)
    assert taken is not None
    assert slots.take(2, device=Device.AUTO) is None
    assert slots.free_names() == ["cuda:2"]
    slots.give_back(taken)
    slots.give_back(taken)
    assert slots.free_names() == ["cuda:0", "cuda:1", "cuda:2"]


@pytest.mark.usefixtures("driver")
def test_a_slot_suits_the_device_that_a_run_asks_for() -> None:
    slots = Slots(find_slots("cpu:0,cuda:0", environment={}))
    assert slots.take(1, device=Device.AUTO) == (Slot("cuda:0", "0"),)
    assert slots.take(1, device=Device.CUDA) is None
    assert slots.take(1, device=Device.CPU) == (Slot("cpu:0"),)
    slots.give_back([Slot("cuda:0", "0")])
    assert slots.take(1, device=Device.CPU) == (Slot("cuda:0", "0"),)


def test_slots_share_the_cpus() -> None:
    one = Slots(find_slots("cpu:0", environment={})).threads_each()
    many = ",".join(f"cpu:{index}" for index in range(one + 1))
    assert one >= 1
    assert Slots(find_slots(many)).threads_each() == 1
