from __future__ import annotations

import pytest

from tests.engine.parts import tiny
from worker.contract.config import RunConfig
from worker.engine.compare.placement import Placement, PlacementRefused, place


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
    assert (placement.slots, placement.threads) == (({}, {}), 4)
    assert "share the 8 cores of this CPU, 4 CPU threads each" in placement.told


def test_threads_that_were_typed_stay() -> None:
    assert placed(tiny(threads=3)).threads == 3


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_a_run_has_at_least_one_thread(cores: int) -> None:
    assert placed(tiny(**ANY_THREADS, devices=2), cores=cores).threads == 1


def test_each_run_gets_gpus_of_its_own_where_there_are_enough() -> None:
    placement = placed(tiny(**ANY_THREADS, devices=2), gpus=5, cores=16)
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in placement.slots] == ["0,1", "2,3"]
    assert placement.threads == 4


def test_one_gpu_is_shared_unless_a_split_is_insisted_on() -> None:
    assert "share GPU 0" in placed(tiny(), gpus=1).told
    with pytest.raises(PlacementRefused, match=r"--gpu_split needs 2 GPUs .* there are 1; leave it out"):
        placed(tiny(), gpus=1, gpu_split=True)


def test_gpus_are_left_alone_by_runs_for_the_cpu() -> None:
    assert placed(tiny(device="cpu"), gpus=4).slots == ({}, {})
    with pytest.raises(PlacementRefused, match="there are 0"):
        placed(tiny(device="cpu"), gpus=4, gpu_split=True)


def test_a_split_of_runs_that_are_never_at_once_is_refused() -> None:
    with pytest.raises(PlacementRefused, match="add --mode parallel"):
        placed(tiny(), mode="sequential", gpus=2, gpu_split=True)
