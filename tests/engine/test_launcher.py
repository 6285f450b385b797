"""What a launcher's environment says of a process, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.parts import TINY
from worker.engine.__main__ import main
from worker.engine.launcher import Launch, LaunchRefused, is_restart, launched, refuse_several

MEETING = {"MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
SECOND_OF_FOUR = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"} | MEETING


def test_a_process_that_nobody_launched_is_alone() -> None:
    assert launched({}) is None
    assert launched({"WORLD_SIZE": "1", "LOCAL_RANK": "0"}) is None


def test_torchrun_says_which_process_it_is() -> None:
    assert launched(SECOND_OF_FOUR) == Launch(rank=3, count=4, local_rank=1, local_count=2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"MASTER_PORT": ""}, "MASTER_PORT is missing; use torchrun"),
        ({"LOCAL_RANK": "", "WORLD_SIZE": ""}, "WORLD_SIZE, LOCAL_RANK are missing"),
        ({"WORLD_SIZE": "four"}, "is no whole number"),
        ({"RANK": "4"}, "RANK 4 of WORLD_SIZE 4"),
        ({"LOCAL_RANK": "2"}, "LOCAL_RANK 2 of LOCAL_WORLD_SIZE 2 do not fit together"),
    ],
)
def test_an_environment_that_makes_no_sense_is_refused(changes: dict[str, str], said: str) -> None:
    with pytest.raises(LaunchRefused, match=said):
        launched(SECOND_OF_FOUR | changes)


@pytest.mark.parametrize("devices", [1, 2, 8])
def test_another_number_of_processes_than_devices_is_refused(devices: int) -> None:
    launch = launched(SECOND_OF_FOUR)
    assert launch is not None
    launch.refuse_other_number(4)
    with pytest.raises(LaunchRefused, match=rf"4 processes were started .* devices {devices}; give --devices 4"):
        launch.refuse_other_number(devices)


#: Two processes each, of which this is the second.
UNCOORDINATED = {
    "srun": {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2", "SLURM_LOCALID": "1"},
    "srun, told less": {"SLURM_PROCID": "1", "SLURM_NTASKS": "2"},
    "Open MPI": {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"},
    "MPICH": {"PMI_RANK": "1", "PMI_SIZE": "2"},
    "MVAPICH": {"MV2_COMM_WORLD_RANK": "1", "MV2_COMM_WORLD_SIZE": "2"},
    "jsrun": {"JSM_NAMESPACE_RANK": "1", "JSM_NAMESPACE_SIZE": "2"},
    "flux": {"FLUX_TASK_RANK": "1", "FLUX_JOB_SIZE": "2"},
}


@pytest.mark.parametrize("environment", UNCOORDINATED.values(), ids=UNCOORDINATED)
def test_processes_that_know_nothing_of_each_other_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(LaunchRefused, match="started 2 processes, each of which would do the whole work in one folder"):
        launched(environment)
    assert launched(environment | SECOND_OF_FOUR) is not None, "torchrun below it says where to meet"


@pytest.mark.parametrize(
    "environment",
    [
        # sbatch --ntasks=4: the script itself is one process.
        {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"},
        # salloc with an interactive step.
        {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},
        {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"},
        {"PMI_RANK": "0", "PMI_SIZE": "1"},
    ],
)
def test_one_process_in_an_allocation_for_several_trains(environment: dict[str, str]) -> None:
    assert launched(environment) is None


def test_only_what_begins_again_by_itself_is_a_restart() -> None:
    assert is_restart({"TORCHELASTIC_RESTART_COUNT": "1"})
    assert not is_restart({"TORCHELASTIC_RESTART_COUNT": "0"})
    assert not is_restart({})


def test_what_one_process_does_is_refused_to_several() -> None:
    refuse_several("compare", {"RANK": "0", "WORLD_SIZE": "1"})
    with pytest.raises(LaunchRefused, match="compare is one process's work; start it without a launcher"):
        refuse_several("compare", SECOND_OF_FOUR)


@pytest.mark.parametrize("environment", UNCOORDINATED.values(), ids=UNCOORDINATED)
def test_their_command_ends_before_it_writes_anything(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = [f"--{name}={value}" for name, value in TINY.items()]
    assert main(["train", "--out", str(tmp_path / "run"), *settings]) == 2
    assert "would do the whole work" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_evaluating_is_no_work_for_several(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (SECOND_OF_FOUR | {"RANK": "0", "LOCAL_RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    assert main(["evaluate", "--run", "/nowhere"]) == 2
    assert "evaluate is one process's work" in capsys.readouterr().err
