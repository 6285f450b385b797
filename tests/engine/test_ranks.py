"""Several processes that share each batch; three, because two do not show everything."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.engine.parts import InterruptAfter, Recorder, attempt, differences, final_state, run_to_end, tiny
from worker.contract.config import RunConfig
from worker.contract.messages import Point
from worker.engine.data.order import TrainingOrder, in_order
from worker.engine.outcome import Ending, RankLost
from worker.engine.stochastic_depth import image_gates, survival_probabilities

SHARED: dict[str, Any] = {
    "batch": 192,
    "accumulation": 2,
    "mixup": 0.2,
    "color_jitter": 0.2,
    "ema": 0.9,
    "epochs": 1,
    "bn_reestimate": 2,
}
#: Of one epoch of 7 steps with two micro-batches each.
STEPS_ASK = 14


def shared(devices: int, **changes: Any) -> RunConfig:
    return tiny(**SHARED | {"devices": devices, "device": "cpu"} | changes)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_the_ranks_of_any_number_see_each_image_of_the_batch_once(ranks: int) -> None:
    def step_of(rank: int, step: int) -> list[int]:
        order = TrainingOrder(images=100, batch=24, seed=1, rank=rank, ranks=ranks, accumulation=2)
        return [int(index) for request in order.requests(step, step + 1) for index in request.indices]

    alone = TrainingOrder(images=100, batch=24, seed=1)
    for step in (0, 3, 5):
        expected = next(iter(alone.requests(step, step + 1))).indices.tolist()
        assert [index for rank in range(ranks) for index in step_of(rank, step)] == expected


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_an_evaluation_counts_every_image_once(ranks: int) -> None:
    own = [in_order(20, batch=4, rank=rank, ranks=ranks) for rank in range(ranks)]
    assert sorted(np.concatenate([request.indices for requests in own for request in requests])) == list(range(20))
    assert max(len(requests) for requests in own) == len(own[0])


class Undisturbed:
    def __init__(self, config: RunConfig, folder: Path) -> None:
        self.config = config
        self.recorder = run_to_end(config, folder)
        self.state = final_state(folder)


@pytest.fixture(scope="module", params=["batch", "subset"])
def three(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(shared(3, sd_mode=request.param), tmp_path_factory.mktemp(request.param))


#: In the middle of an accumulation, after a step, in the evaluation.
@pytest.mark.parametrize("questions", [5, 8, STEPS_ASK + 3])
def test_a_pause_of_three_ranks_changes_neither_tensors_nor_history(
    three: Undisturbed, tmp_path: Path, questions: int
) -> None:
    recorder = Recorder()
    outcome = attempt(three.config, tmp_path, sink=recorder, control=InterruptAfter(questions))
    assert outcome.ending is Ending.PAUSED
    run_to_end(three.config, tmp_path, sink=recorder)
    assert recorder.history() == three.recorder.history()
    assert differences(final_state(tmp_path), three.state) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_processes_of_three_ranks_change_nothing(three: Undisturbed, tmp_path: Path, workers: int) -> None:
    config = three.config.model_copy(update={"loader_workers": workers})
    recorder = Recorder()
    attempt(config, tmp_path, sink=recorder, control=InterruptAfter(5))
    run_to_end(config, tmp_path, sink=recorder)
    assert recorder.history() == three.recorder.history()
    state = final_state(tmp_path)
    assert differences(state["model"], three.state["model"]) == []
    assert differences(state["momentum"], three.state["momentum"]) == []


def test_ranks_train_what_one_would(tmp_path: Path) -> None:
    """Without batch norm's part: the same batches, gates and learning rates, and losses that stay close."""
    histories = [run_to_end(shared(devices), tmp_path / str(devices)).history() for devices in (1, 2)]
    for (step, epoch, one), (other_step, other_epoch, two) in zip(*histories, strict=True):
        assert (step, epoch, one.keys()) == (other_step, other_epoch, two.keys())
        for name in one.keys() & {"lr", "sd/depth", "sd/compute"}:
            assert one[name] == two[name]
        if "train/loss" in one:
            assert one["train/loss"] == pytest.approx(two["train/loss"], rel=0.1)


def test_a_block_that_only_one_rank_ran_holds_nobody_up(tmp_path: Path) -> None:
    config = shared(2, batch=4, accumulation=1, sd_mode="subset", pL=0.05, loader_workers=0)
    survival = survival_probabilities(blocks=9, pL=config.pL)
    for step in range(3):
        halves = image_gates(seed=config.seed, step=step, survival=survival, positions=np.arange(4)).reshape(2, 2, 9)
        first, second = halves.any(1)
        assert (first != second).any()
    outcome = attempt(config, tmp_path, sink=Recorder(), control=InterruptAfter(3))
    assert (outcome.ending, outcome.step) == (Ending.PAUSED, 3)


class LoseARank(Recorder):
    """Kills one of the other ranks as soon as there is something to lose."""

    def point(self, point: Point) -> None:
        super().point(point)
        children = subprocess.run(
            ["pgrep", "-P", str(os.getpid()), "-f", "worker.engine.rank"], capture_output=True, text=True, check=True
        )
        os.kill(int(children.stdout.split()[0]), 9)


def test_a_lost_rank_ends_the_training_with_a_reason_and_leaves_nobody(tmp_path: Path) -> None:
    with pytest.raises(RankLost, match=r"rank 1 of 2 \(process \d+\) was killed by SIGKILL"):
        attempt(shared(2, epochs=3), tmp_path, sink=LoseARank(), control=InterruptAfter(10**6))
    assert not ranks_of(os.getpid())


class Listening(Recorder):
    """Where the first rank and those that it started wait for connections, and what they meet in."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.modes: set[int] = set()

    def point(self, point: Point) -> None:
        super().point(point)
        this = psutil.Process()
        for process in (this, *this.children(recursive=True)):
            found = process.net_connections("inet")
            self.addresses |= {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}
        folders = Path(tempfile.gettempdir()).glob("resdrop-ranks-*")
        self.modes |= {folder.stat().st_mode & 0o777 for folder in folders}


def test_nobody_else_can_reach_what_the_ranks_say_to_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    heard = Listening()
    attempt(shared(2), tmp_path / "run", sink=heard, control=InterruptAfter(STEPS_ASK))
    assert heard.addresses <= {"127.0.0.1", "::1"}
    assert heard.modes == {0o700}
    assert list((tmp_path / "tmp").glob("resdrop-ranks-*")) == []


def options(config: RunConfig) -> list[str]:
    given = config.model_dump(mode="json").items()
    return [f"--{name}={value}" for name, value in given if value is not None]


def ranks_of(parent: int) -> list[str]:
    found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False).stdout.split()
    return [pid for pid in found if "worker.engine.rank" in Path(f"/proc/{pid}/cmdline").read_text()]


def test_the_ranks_end_with_the_first(tmp_path: Path) -> None:
    settings = [
        f"--{name}={value}"
        for name, value in shared(2, epochs=500).model_dump(mode="json").items()
        if value is not None
    ]
    first = subprocess.Popen(
        [sys.executable, "-m", "worker.engine", "train", "--out", str(tmp_path / "run"), *settings],
        stdout=subprocess.DEVNULL,
    )
    others: list[str] = []
    try:
        while not (others := ranks_of(first.pid)) and first.poll() is None:
            time.sleep(0.1)
    finally:
        first.kill()
        first.wait()
    assert others
    ended_by = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in others) and time.monotonic() < ended_by:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in others)


def test_a_launcher_may_start_the_ranks(tmp_path: Path) -> None:
    """torchrun's ranks: the first one alone writes."""
    settings = options(shared(2))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, "-m", "worker.engine", "train", "--out", str(tmp_path / "run"), *settings],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("completed in") == 1
    undisturbed = tmp_path / "own"
    run_to_end(shared(2), undisturbed)
    assert differences(final_state(tmp_path / "run" / "checkpoints"), final_state(undisturbed)) == []
