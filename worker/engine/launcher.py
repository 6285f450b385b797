"""Whether a launcher has started this process beside others, and which of them it is. Reads the environment only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

#: What torchrun tells each of its processes.
RANK, COUNT, LOCAL_RANK, LOCAL_COUNT = "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"
ADDRESS, PORT = "MASTER_ADDR", "MASTER_PORT"
#: How often torchrun has begun the same command before.
RESTARTS = "TORCHELASTIC_RESTART_COUNT"
#: Launchers that start processes without telling them where to meet: name, variable of the rank, of their number.
#: A batch script of Slurm has SLURM_NTASKS and is one process all the same; only srun counts a step's tasks.
OTHERS = (
    ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    ("mpirun (Open MPI)", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("mpirun (MPICH, Intel MPI)", "PMI_RANK", "PMI_SIZE"),
    ("mpirun (MVAPICH)", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    ("jsrun", "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE"),
    ("flux run", "FLUX_TASK_RANK", "FLUX_JOB_SIZE"),
)
#: Its own number of tasks is not always told; a task after the first has others beside it.
SLURM_RANK = "SLURM_PROCID"


class LaunchRefused(ValueError):
    """What the launcher started does not make one training; says why and what to do.

    Each of the processes is to tell it: the first that ends has the launcher end the rest.
    """


@dataclass(frozen=True)
class Launch:
    """This process's place among `count`, of which `local_count` are on this machine."""

    rank: int
    count: int
    local_rank: int
    local_count: int

    def refuse_other_number(self, devices: int) -> None:
        """Raises LaunchRefused unless there is one process for each device."""
        if self.count != devices:
            raise LaunchRefused(
                f"{self.count} {'process was' if self.count == 1 else 'processes were'} started (WORLD_SIZE) for "
                f"devices {devices}; give --devices {self.count}, start {devices}, or unset RANK and WORLD_SIZE for "
                "this process to start the others itself",
            )


def launched(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """None where this process was started alone. Raises LaunchRefused."""
    if RANK not in environment:
        _refuse_others(environment)
        return None
    missing = [name for name in (COUNT, LOCAL_RANK, ADDRESS, PORT) if not environment.get(name)]
    rank = environment[RANK]
    if missing and environment.get(COUNT) != "1":
        raise LaunchRefused(
            f"RANK {rank} says that a launcher has started this process, but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; use torchrun, or unset RANK to train alone",
        )
    try:
        count = int(environment[COUNT])
        launch = Launch(
            rank=int(rank),
            count=count,
            local_rank=int(environment.get(LOCAL_RANK) or 0),
            local_count=int(environment.get(LOCAL_COUNT) or count),
        )
    except ValueError as error:
        raise LaunchRefused(
            f"one of RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE is no whole number ({error}); use torchrun",
        ) from error
    if not (0 <= launch.rank < launch.count and 0 <= launch.local_rank < launch.local_count <= launch.count):
        raise LaunchRefused(
            f"RANK {launch.rank} of WORLD_SIZE {launch.count} and LOCAL_RANK {launch.local_rank} of LOCAL_WORLD_SIZE "
            f"{launch.local_count} do not fit together; use torchrun",
        )
    return launch


def refuse_several(what: str, environment: Mapping[str, str] = os.environ) -> None:
    """For commands that one process does. Raises LaunchRefused."""
    launch = launched(environment)
    if launch is not None and launch.count > 1:
        raise LaunchRefused(
            f"{launch.count} processes were started (WORLD_SIZE) and {what} is one process's work; "
            "start it without a launcher",
        )


def is_restart(environment: Mapping[str, str] = os.environ) -> bool:
    """Has the launcher begun this very command again, of its own accord, because a rank has failed?"""
    return environment.get(RESTARTS, "0") not in ("", "0")


def without_launcher(environment: Mapping[str, str]) -> dict[str, str]:
    """For a process that is started alone."""
    told = {RANK, COUNT, LOCAL_RANK, LOCAL_COUNT, ADDRESS, PORT}
    return {name: value for name, value in environment.items() if name not in told}


def _refuse_others(environment: Mapping[str, str]) -> None:
    for name, rank, count in OTHERS:
        several = environment.get(count, "").isdecimal() and int(environment[count]) > 1
        later = rank == SLURM_RANK and environment.get(rank, "0") not in ("", "0")
        if rank in environment and (several or later):
            number = environment.get(count) or environment.get("SLURM_NTASKS") or "several"
            raise LaunchRefused(
                f"{name} started {number} processes, each of which would do the whole work in one folder; start one "
                "alone, which starts a process for each of its --devices itself, or torchrun, once on each machine",
            )
