"""Brings together the processes that share the batches of a run: this one is the first, the others are its children.

Under a launcher that has started them all, such as torchrun, which says so in RANK and WORLD_SIZE, nobody is started.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from worker.contract.config import RunConfig
from worker.engine.execution import device_of
from worker.engine.outcome import RankLost, TrainingDiverged
from worker.engine.ranks import ALONE, Ranks

#: How long a rank waits for another: the first batch of a cold disk may take minutes.
PATIENCE = timedelta(minutes=20)
LOOPBACK = "127.0.0.1"
FAREWELL_SECONDS = 20.0


@contextmanager
def company(config: RunConfig, *, resume: Path | None) -> Iterator[Ranks]:
    """Raises DeviceUnavailable, and RankLost where another rank ends before its time."""
    if config.devices == 1:
        yield ALONE
        return
    device_of(config)
    if (rank := launched_rank()) is not None:
        with _joined(config, rank=rank, count=int(os.environ["WORLD_SIZE"])) as ranks:
            yield ranks
        return
    port = _free_port()
    with _others(config, port=port, resume=resume) as others:
        _name_meeting_point(rank=0, count=config.devices, port=port)
        try:
            with _joined(config, rank=0, count=config.devices) as ranks:
                yield ranks
        except TrainingDiverged:
            # All ranks have come to this alike, so none is lost.
            raise
        except RuntimeError as error:
            lost = others.last_words()
            if lost is None:
                raise
            raise RankLost(lost) from error
        finally:
            for name in _MEETING:
                os.environ.pop(name, None)


def launched_rank() -> int | None:
    """This process's rank, where a launcher such as torchrun has started it."""
    return int(os.environ["RANK"]) if "RANK" in os.environ else None


_MEETING = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def _name_meeting_point(*, rank: int, count: int, port: int) -> None:
    values = (str(rank), str(count), str(rank), LOOPBACK, str(port))
    os.environ.update(zip(_MEETING, values, strict=True))


@contextmanager
def _joined(config: RunConfig, *, rank: int, count: int) -> Iterator[Ranks]:
    if count != config.devices:
        raise RankLost(f"the launcher started {count} processes for devices {config.devices}; make them the same")
    local_rank = int(os.environ["LOCAL_RANK"])
    device = device_of(config, local_rank=local_rank)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(rank=rank, count=count, local_rank=local_rank, words=_words_group())
    finally:
        dist.destroy_process_group()


def _words_group() -> dist.ProcessGroup:
    group = dist.new_group(backend="gloo", timeout=PATIENCE)
    assert isinstance(group, dist.ProcessGroup)
    return group


class _Others:
    """The processes of ranks 1 and up. Their last words come through a pipe; closing it ends them."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self._processes = processes
        self._said: dict[int, str] = {}
        self._listeners = [
            threading.Thread(target=self._listen, args=(rank, process), daemon=True)
            for rank, process in enumerate(processes, start=1)
        ]
        for listener in self._listeners:
            listener.start()

    def last_words(self) -> str | None:
        """Why the first lost rank ended, after a moment in which it can say so; None while all are there."""
        for listener in self._listeners:
            listener.join(timeout=FAREWELL_SECONDS / len(self._listeners))
            if self._said:
                break
        rank, words = next(iter(self._said.items()), (0, ""))
        return f"rank {rank} of {len(self._processes) + 1} ended: {words}" if rank else None

    def end(self) -> None:
        """Ranks that are done end by themselves; the rest is killed."""
        for process in self._processes:
            _dismiss(process)
        for process in self._processes:
            try:
                process.wait(timeout=FAREWELL_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for listener in self._listeners:
            listener.join()

    def _listen(self, rank: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as said:
            words = said.read().strip()
        if process.wait() != 0:
            self._said[rank] = words or f"exit code {process.returncode}; see the log"


def _dismiss(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    # It may be gone already.
    with suppress(BrokenPipeError), process.stdin:
        process.stdin.write("done\n")


@contextmanager
def _others(config: RunConfig, *, port: int, resume: Path | None) -> Iterator[_Others]:
    order = {"config": config.model_dump(mode="json"), "resume": str(resume) if resume else None, "port": port}
    processes = [_start(rank) for rank in range(1, config.devices)]
    others = _Others(processes)
    try:
        for rank, process in enumerate(processes, start=1):
            assert process.stdin is not None
            process.stdin.write(json.dumps(order | {"rank": rank}) + "\n")
            process.stdin.flush()
        yield others
    finally:
        others.end()


def _start(rank: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "worker.engine.rank", str(rank)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def meet(*, rank: int, count: int, port: int) -> None:
    """Tells torch where the other ranks are."""
    _name_meeting_point(rank=rank, count=count, port=port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
