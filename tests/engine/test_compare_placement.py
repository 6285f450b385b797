from __future__ import annotations

import pytest

from tests.engine.parts import tiny
from worker.contract.config import RunConfig
from worker.engine.compare.placement import Placement, PlacementRefused, place, visible_gpus


def placed(
    config: RunConfig, *, mode: str = "parallel", gpu_split: bool = False, gpus: int = 0, cores: int = 8
) -> Placement:
    names = [str(index) for index in range(gpus)]
    return place(config, mode=mode, gpu_split=gpu_split, gpus=names, cores=cores)  # type: ignore[arg-type]


ANY_THREADS = {"threads": None}


def test_one_after_the_other_has_the_whole_machine() -> None:
    placement = placed(tiny(**ANY_THREADS), mode="sequential", gpus=4)
    assert (placement.slots, placement.threads) == (({},), None)


def test_two_runs_on_a_cpu_share_its_cores_and_say_so() -> None:
    placement = placed(tiny(**ANY_THREADS), cores=8)
    assert (placement.slots, placement.threads) == (({"RESDROP_CORES": "4"}, {"RESDROP_CORES": "4"}), 4)
    assert "share the 8 cores of this CPU, 4 CPU threads each" in placement.told


def test_threads_that_were_typed_stay() -> None:
    assert placed(tiny(threads=3)).threads == 3


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_a_run_has_at_least_one_thread(cores: int) -> None:
    assert placed(tiny(**ANY_THREADS, devices=2), cores=cores).threads == 1


def test_each_run_gets_gpus_of_its_own_where_there_are_enough() -> None:
    placement = placed(tiny(**ANY_THREADS, devices=2), gpus=5, cores=16)
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in placement.slots] == ["0,1", "2,3"]
    assert [slot["RESDROP_CORES"] for slot in placement.slots] == ["8", "8"]
    assert placement.threads == 4


def test_each_run_gets_gpus_of_its_own_on_rocm_too() -> None:
    placement = place(tiny(), mode="parallel", gpu_split=True, gpus=["0", "2"], cores=4, rocm=True)
    assert [slot["HIP_VISIBLE_DEVICES"] for slot in placement.slots] == ["0", "2"]


@pytest.mark.parametrize(
    ("granted", "count", "names"),
    [
        (None, 2, ["0", "1"]),
        ("4, 5", 2, ["4", "5"]),
        ("0,-1,1", 1, ["0"]),
        ("NoDevFiles", 0, []),
        ("", 0, []),
        ("GPU-aaaa,GPU-bbbb", 2, ["GPU-aaaa", "GPU-bbbb"]),
    ],
)
def test_runs_are_given_what_this_process_was_granted(
    monkeypatch: pytest.MonkeyPatch, granted: str | None, count: int, names: list[str]
) -> None:
    """`count` is what torch finds."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if granted is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", granted)
    assert visible_gpus(rocm=False) == names


def test_one_gpu_is_shared_unless_a_split_is_insisted_on() -> None:
    assert "share GPU 0" in placed(tiny(), gpus=1).told
    with pytest.raises(PlacementRefused, match=r"--gpu_split needs 2 GPUs .* there are 1; leave it out"):
        placed(tiny(), gpus=1, gpu_split=True)


def test_gpus_are_left_alone_by_runs_for_the_cpu() -> None:
    assert not any("CUDA_VISIBLE_DEVICES" in slot for slot in placed(tiny(device="cpu"), gpus=4).slots)
    with pytest.raises(PlacementRefused, match="there are 0"):
        placed(tiny(device="cpu"), gpus=4, gpu_split=True)


def test_a_split_of_runs_that_are_never_at_once_is_refused() -> None:
    with pytest.raises(PlacementRefused, match="add --mode parallel"):
        placed(tiny(), mode="sequential", gpus=2, gpu_split=True)
