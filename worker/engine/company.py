"""Brings together the processes that share the batches of a run: this one is the first, the others are its children.

Those that a launcher such as torchrun has started come together in `launched_company`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from signal import Signals
from tempfile import TemporaryDirectory

from torch.distributed import FileStore  # type: ignore[attr-defined]  # documented, and not declared as exported

from worker.common.forks import forget, keep_from_forks
from worker.contract.config import RunConfig
from worker.engine.execution import device_of
from worker.engine.joining import ALIKE, PATIENCE, joined
from worker.engine.launcher import Launch
from worker.engine.liveness import Watch
from worker.engine.ranks import ALONE, Ranks

FAREWELL_SECONDS = 20.0
#: In which what a rank said last arrives, and a rank that another one's end has ended gives way to that one.
LAST_WORDS_SECONDS = 0.5


@contextmanager
def company(config: RunConfig, *, resume: Path | None, tell: Callable[[str], None]) -> Iterator[Ranks]:
    """Raises DeviceUnavailable, and RankLost where another rank ends before its time.

    Where that is not noticed within seconds, as on a GPU, `tell` is called with the reason, in a thread, and the
    process ended.
    """
    if config.devices == 1:
        yield ALONE
        return
    device_of(config, local_count=config.devices)
    watch = Watch(tell)
    _stay_on_this_machine()
    with (
        # Private to the account, unlike torch's TCPStore: that one listens on every address, and believes everybody.
        TemporaryDirectory(prefix="resdrop-ranks-") as folder,
        _others(config, meeting=Path(folder) / "meeting", resume=resume, watch=watch),
        joined(config, _place(0, config), store=_store(Path(folder) / "meeting", config), watch=watch) as ranks,
        closing(watch),
    ):
        yield ranks


def _stay_on_this_machine() -> None:
    """gloo and NCCL would listen on an address that other machines reach, unless the user says where."""
    loopback = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), None)
    if loopback is not None:
        for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            os.environ.setdefault(variable, loopback)


@contextmanager
def firsts_company(config: RunConfig, *, rank: int, meeting: Path) -> Iterator[Ranks]:
    """For a rank that the first one has started. When that is gone, the pipe to it closes."""
    with joined(config, _place(rank, config), store=_store(meeting, config)) as ranks:
        yield ranks


def _store(meeting: Path, config: RunConfig) -> FileStore:
    """Where the ranks of this machine tell each other where they are, in a file."""
    store = FileStore(str(meeting), config.devices)
    store.set_timeout(PATIENCE)
    return store


def _place(rank: int, config: RunConfig) -> Launch:
    return Launch(rank=rank, count=config.devices, local_rank=rank, local_count=config.devices)


class _Others:
    """The processes of ranks 1 and up. Their last words come through a pipe; closing it ends them."""

    def __init__(self, processes: list[subprocess.Popen[str]], watch: Watch) -> None:
        self._processes = processes
        self._watch = watch
        self._said: dict[int, str] = {}
        self._codes: dict[int, int] = {}
        self._threads = [
            threading.Thread(target=work, args=(rank, process), daemon=True)
            for rank, process in enumerate(processes, start=1)
            for work in (self._listen, self._wait)
        ]
        for thread in self._threads:
            thread.start()

    def end(self, *, at_once: bool) -> None:
        """Ranks that are done end by themselves; the rest is killed."""
        for process in self._processes:
            process.kill() if at_once else _dismiss(process)
        until = time.monotonic() + FAREWELL_SECONDS
        for process in self._processes:
            try:
                process.wait(timeout=max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close(process)
        for thread in self._threads:
            thread.join(FAREWELL_SECONDS)

    def _listen(self, rank: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as said:
            for line in said:
                self._said[rank] = line.strip() or self._said.get(rank, "")

    def _wait(self, rank: int, process: subprocess.Popen[str]) -> None:
        """Not for the pipe's end: loader processes of a rank that was killed keep it open for seconds."""
        code = self._codes[rank] = process.wait()
        if code == 0:
            return
        time.sleep(0.0 if code < 0 else LAST_WORDS_SECONDS)
        if code > 0 and any(other < 0 for other in self._codes.values()):
            return
        how = f"was killed by {_name(-code)}" if code < 0 else f"ended: {self._said.get(rank) or f'exit code {code}'}"
        self._watch.lose(f"rank {rank} of {len(self._processes) + 1} (process {process.pid}) {how}")


def _name(number: int) -> str:
    try:
        name = Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"{name} (probably out of memory)" if name == "SIGKILL" else name


def _dismiss(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    # It may be gone already.
    with suppress(BrokenPipeError):
        process.stdin.write("done\n")
        process.stdin.flush()


def _close(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    forget(process.stdin.fileno())
    with suppress(BrokenPipeError):
        process.stdin.close()


@contextmanager
def _others(config: RunConfig, *, meeting: Path, resume: Path | None, watch: Watch) -> Iterator[None]:
    order = {
        "config": config.model_dump(mode="json"),
        "resume": str(resume) if resume else None,
        "meeting": str(meeting),
    }
    processes = [_start(rank) for rank in range(1, config.devices)]
    others = _Others(processes, watch)
    try:
        for rank, process in enumerate(processes, start=1):
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(order | {"rank": rank}) + "\n")
                process.stdin.flush()
        yield
    except ALIKE:
        others.end(at_once=False)
        raise
    except BaseException:
        # They may wait for this rank, or for one that is gone, for as long as they are let.
        others.end(at_once=True)
        raise
    else:
        others.end(at_once=False)


def _start(rank: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.engine.rank", str(rank)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stdin is not None
    keep_from_forks(process.stdin.fileno())
    return process
