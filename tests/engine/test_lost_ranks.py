"""Ranks that a launcher has started, and those that the first one starts: who decides, and what a lost one means."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.engine.parts import differences, final_state, run_to_end
from tests.engine.test_ranks import options, ranks_of, shared
from worker.contract.config import RunConfig
from worker.engine.__main__ import main
from worker.engine.results import ResultsFolder
from worker.engine.sinks.history import read_history

#: To end a hang; what is waited for takes seconds.
LONG_SECONDS = 150


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Launched:
    """Ranks as torchrun would start them, without its agent, which ends the rest when one fails."""

    def __init__(self, command: Sequence[str], count: int, folder: Path) -> None:
        self._command = [sys.executable, *command]
        self._count = count
        self._meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        self._folder = folder
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, rank: int, *more: str, **environment: str) -> None:
        """With `more` at the end of its command."""
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        number = {"WORLD_SIZE": str(self._count), "LOCAL_WORLD_SIZE": str(self._count)}
        with self.output(rank).open("wb") as output:
            self.processes[rank] = subprocess.Popen(
                [*self._command, *more],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {"OMP_NUM_THREADS": "1"} | place | number | self._meeting | environment,
                start_new_session=True,
            )

    def output(self, rank: int) -> Path:
        return self._folder / f"rank-{rank}.out"

    def said(self) -> str:
        return "\n".join(f"rank {rank}:\n{self.output(rank).read_text()}" for rank in self.processes)

    def wait(self, seconds: float = LONG_SECONDS) -> list[int]:
        until = time.monotonic() + seconds
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        assert all(process.poll() is not None for process in self.processes.values()), self.said()
        return [self.processes[rank].returncode for rank in sorted(self.processes)]

    def end(self) -> None:
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def launched(command: Sequence[str], count: int, folder: Path) -> Iterator[Launched]:
    made = Launched(command, count, folder)
    try:
        yield made
    finally:
        made.end()


def train(out: Path, config: RunConfig, *more: str) -> list[str]:
    return ["-m", "worker.engine", "train", "--out", str(out), *options(config), *more]


def wait_for_rows(out: Path, rows: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + LONG_SECONDS
    while len(read_history(out / "history.csv")) < rows:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)


TWO = shared(2, epochs=1, accumulation=1)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("undisturbed")
    run_to_end(TWO, folder)
    return final_state(folder)


@pytest.mark.parametrize("late", [0, 1])
def test_ranks_that_start_seconds_apart_begin_afresh_together(
    tmp_path: Path, undisturbed: dict[str, object], late: int
) -> None:
    """The first decides: with --fresh none resumes what it deletes, whichever comes first."""
    out = tmp_path / "run"
    config = TWO.model_copy(update={"seed": 9})
    assert main(["train", "--out", str(out), *options(config.model_copy(update={"epochs": 2}))]) == 0
    with launched(train(out, TWO, "--fresh"), 2, tmp_path) as ranks:
        ranks.start(1 - late)
        time.sleep(8)
        assert (out / "summary.json").exists(), "nothing is deleted before all are there"
        ranks.start(late)
        assert ranks.wait() == [0, 0], ranks.said()
        assert ranks.said().count("completed in") == 1
    assert differences(final_state(out / "checkpoints"), undisturbed) == []


def test_a_restart_by_the_launcher_deletes_nothing(tmp_path: Path, undisturbed: dict[str, object]) -> None:
    out = tmp_path / "run"
    with launched(train(out, TWO, "--fresh"), 2, tmp_path) as ranks:
        for rank in (0, 1):
            ranks.start(rank)
        wait_for_rows(out, 2, ranks.processes[0])
        ranks.processes[0].send_signal(signal.SIGTERM)
        assert ranks.wait() == [128 + signal.SIGTERM, 0], ranks.said()
    with launched(train(out, TWO, "--fresh"), 2, tmp_path) as ranks:
        for rank in (1, 0):
            ranks.start(rank, TORCHELASTIC_RESTART_COUNT="1")
        assert ranks.wait() == [0, 0], ranks.said()
        assert re.search(r"going on after step [1-9]", ranks.said())
    assert differences(final_state(out / "checkpoints"), undisturbed) == []


@pytest.mark.parametrize(
    ("prepare", "more", "said", "codes"),
    [
        ("completed", [], "is completed; --fresh begins it anew", [0, 0]),
        ("other", [], "holds a run with other settings: lr was 0.1 and is 0.2", [2, 2]),
        ("strangers", ["--fresh"], "is not empty and holds no run", [2, 2]),
    ],
)
def test_what_the_first_rank_refuses_ends_all(
    tmp_path: Path, prepare: str, more: list[str], said: str, codes: list[int]
) -> None:
    out, config = tmp_path / "run", shared(2, epochs=1, accumulation=1)
    if prepare == "strangers":
        out.mkdir()
        (out / "thesis.txt").write_text("years of work")
    else:
        assert main(["train", "--out", str(out), *options(config)]) == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    asked = config.model_copy(update={"lr": 0.2}) if prepare == "other" else config
    with launched(train(out, asked, *more), 2, tmp_path) as ranks:
        for rank in (0, 1):
            ranks.start(rank)
        assert ranks.wait() == codes, ranks.said()
        assert ranks.said().count(said) == 1, ranks.said()
        assert "Traceback" not in ranks.said()
    left = {path: path.stat().st_mtime_ns for path in out.rglob("*") if not path.name.startswith(".lock")}
    assert left == {path: time for path, time in before.items() if not path.name.startswith(".lock")}


def test_ranks_are_kept_out_of_a_folder_in_which_another_trains(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with ResultsFolder(out).locked(), launched(train(out, TWO, "--fresh"), 2, tmp_path) as ranks:
        for rank in (0, 1):
            ranks.start(rank)
        assert ranks.wait() == [2, 2], ranks.said()
        assert ranks.said().count(f"process {os.getpid()} on {socket.gethostname()} is training in {out}") == 1
        assert "Traceback" not in ranks.said()
        assert [path.name for path in out.iterdir() if not path.name.startswith(".lock")] == []


@pytest.mark.parametrize(
    ("mistyped", "said"),
    [
        (["--seed", "5"], "seed is 3 on rank 0 and 5 on rank 1"),
        (["--lr", "0.9", "--epochs", "3"], "epochs is 1 on rank 0 and 3 on rank 1; lr is 0.1 on rank 0 and 0.9 on"),
        (["--out", "elsewhere"], "out is {out} on rank 0 and elsewhere on rank 1"),
        (["--depth", "32"], "depth is 20 on rank 0 and 32 on rank 1"),
        (["--batch", "128"], "batch is 192 on rank 0 and 128 on rank 1"),
        (["--device", "cuda"], "device is cpu on rank 0 and cuda on rank 1"),
    ],
)
def test_ranks_that_are_given_different_settings_are_all_refused_before_anything_is_written(
    tmp_path: Path, mistyped: list[str], said: str
) -> None:
    """As when torchrun is started once on each machine, and one of the commands is mistyped."""
    out = tmp_path / "run"
    with launched(train(out, TWO), 2, tmp_path) as ranks:
        ranks.start(0)
        ranks.start(1, *mistyped)
        assert ranks.wait() == [2, 2], ranks.said()
        for rank in (0, 1):
            assert said.format(out=out) in ranks.output(rank).read_text(), ranks.said()
        assert "Traceback" not in ranks.said()
    assert not out.exists()
    assert not Path("elsewhere").exists()


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, timeout=240, env=environment
    )


def test_torchrun_without_devices_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    done = torchrun(*train(tmp_path / "run", shared(1, epochs=1)))
    assert done.returncode != 0
    assert "2 processes were started (WORLD_SIZE) for devices 1; give --devices 2" in done.stderr
    assert not (tmp_path / "run").exists()


#: Three, because two do not show everything. There is a checkpoint after each of 21 steps.
THREE = shared(3, epochs=3, accumulation=1, log_every=1, checkpoint_minutes=1e-6)


@pytest.fixture(scope="module")
def undisturbed_three(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("three")
    run_to_end(THREE, folder)
    return final_state(folder)


@pytest.mark.parametrize("lost", [0, 2])
def test_a_launched_rank_that_is_killed_ends_all_and_the_run_goes_on_exactly(
    tmp_path: Path, undisturbed_three: dict[str, object], lost: int
) -> None:
    out = tmp_path / "run"
    with launched(train(out, THREE), 3, tmp_path) as ranks:
        for rank in range(3):
            ranks.start(rank)
        wait_for_rows(out, 4, ranks.processes[0])
        ranks.processes[lost].kill()
        codes = ranks.wait(60)
        assert [code for rank, code in enumerate(codes) if rank != lost] == [1, 1], ranks.said()
        who = f"rank {lost} of 3" + ("" if lost == 0 else rf" \(process {ranks.processes[lost].pid} on .*\)")
        pattern = rf"{who}: ended without a word.*; the same command goes on from the last checkpoint"
        for rank in {0, 1, 2} - {lost}:
            assert re.search(pattern, ranks.output(rank).read_text()), ranks.said()
        assert "Traceback" not in ranks.said()
    assert main(train(out, THREE)[2:]) == 0
    assert differences(final_state(out / "checkpoints"), undisturbed_three) == []


@pytest.mark.parametrize("lost", [1, 2])
def test_an_own_rank_that_is_killed_ends_all_and_the_run_goes_on_exactly(
    tmp_path: Path, undisturbed_three: dict[str, object], lost: int
) -> None:
    out = tmp_path / "run"
    first = subprocess.Popen(
        [sys.executable, *train(out, THREE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    with first:
        try:
            wait_for_rows(out, 2, first)
            (pid,) = (pid for pid in ranks_of(first.pid) if psutil.Process(int(pid)).cmdline()[-1] == str(lost))
            others = [psutil.Process(int(other)) for other in ranks_of(first.pid)]
            os.kill(int(pid), signal.SIGKILL)
            said, _ = first.communicate(timeout=60)
        finally:
            first.kill()
    assert first.returncode == 1
    reason = f"failed: rank {lost} of 3 (process {pid}) was killed by SIGKILL (probably out of memory)"
    assert reason in said
    assert "Traceback" not in said
    assert reason in (out / "train.log").read_text()
    assert reason.removeprefix("failed: ") in (out / "summary.json").read_text()
    psutil.wait_procs(others, timeout=30)
    assert not any(process.is_running() for process in others)
    assert main(train(out, THREE)[2:]) == 0
    assert differences(final_state(out / "checkpoints"), undisturbed_three) == []


#: A first rank whose main thread waits for what never comes, as for a kernel of NCCL, and notices nothing.
WAITS_FOR_THE_DEVICE = """
import sys, time
from pathlib import Path
from worker.contract.config import RunConfig
from worker.contract.messages import Point
from worker.engine.ports import NullControl, NullSink
from worker.engine.trainer import train

class Waits(NullSink):
    def point(self, point: Point) -> None:
        print("waiting", flush=True)
        time.sleep(3600)
    def notice(self, text: str) -> None:
        print(text, flush=True)

config = RunConfig.model_validate_json(sys.argv[1])
train(config, sink=Waits(), control=NullControl(), checkpoints=Path(sys.argv[2]))
"""
LAUNCHED_AND_WAITS = """
import sys, time
from pathlib import Path
from worker.contract.config import RunConfig
from worker.engine.joining import launched_company
from worker.engine.launcher import launched

config = RunConfig.model_validate_json(sys.argv[1])
with launched_company(config, launched(), out=Path("run"), tell=print):
    print("waiting", flush=True)
    time.sleep(3600)
"""


def test_an_own_rank_that_is_killed_ends_a_first_one_that_waits_for_its_device(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WAITS_FOR_THE_DEVICE, TWO.model_dump_json(), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        try:
            assert first.stdout is not None
            assert "waiting\n" in iter(first.stdout.readline, "")
            (pid,) = ranks_of(first.pid)
            os.kill(int(pid), signal.SIGKILL)
            said, _ = first.communicate(timeout=30)
        finally:
            first.kill()
    assert first.returncode == 1
    assert f"rank 1 of 2 (process {pid}) was killed by SIGKILL" in said


@pytest.mark.parametrize("lost", [0, 1])
def test_a_launched_rank_that_is_killed_ends_those_that_wait_for_their_devices(tmp_path: Path, lost: int) -> None:
    with launched(["-c", LAUNCHED_AND_WAITS, THREE.model_dump_json()], 3, tmp_path) as ranks:
        for rank in range(3):
            ranks.start(rank)
        until = time.monotonic() + LONG_SECONDS
        while not all("waiting" in ranks.output(rank).read_text() for rank in range(3)):
            assert time.monotonic() < until, ranks.said()
            time.sleep(0.1)
        ranks.processes[lost].kill()
        codes = ranks.wait(30)
        assert [code for rank, code in enumerate(codes) if rank != lost] == [1, 1], ranks.said()
        for rank in {0, 1, 2} - {lost}:
            assert f"rank {lost} of 3" in ranks.output(rank).read_text()


SAVES = """
import sys, time
from pathlib import Path
from worker.engine.liveness import GRACE_SECONDS, Watch

watch = Watch(tell=lambda reason: print(f"ended: {reason}", flush=True))
with watch.undisturbed():
    watch.lose("rank 1 is gone")
    time.sleep(GRACE_SECONDS + 2)
    Path(sys.argv[1]).write_text("whole")
time.sleep(3600)
"""


def test_a_checkpoint_that_is_being_written_is_written_to_its_end(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SAVES, str(tmp_path / "checkpoint")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONG_SECONDS)
    assert (done.returncode, done.stdout) == (1, "ended: rank 1 is gone\n")
    assert (tmp_path / "checkpoint").read_text() == "whole"
