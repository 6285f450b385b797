"""What reporting to the dashboard costs a training step.

A real worker (supervisor, spool, courier) with a real Redis starts a trainer that reports as a training does, every
`log_every` steps, and computes nothing between: what its reporting takes is measured on the thread that would train,
beside the same steps told to nobody, in turn, and set against real steps of ResNet-50 measured in the same run. What
the worker and Redis do meanwhile is measured as their processor time while steps come at the pace of real ones.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median

import psutil

from tests.benchmarks.arm import Arm, Load, Way, arm_config
from tests.benchmarks.peers import install
from tests.benchmarks.report import machine_line, table, write_json
from worker.contract.config import RunConfig

#: Between two steps that are only told of: enough for the worker to keep up.
PAUSE_SECONDS = 0.002
STEP_REPEATS = 7


@dataclass(frozen=True)
class Figures:
    """Seconds. `told` and `alone` are the medians, over all points, of a step's mean share of telling."""

    step: float
    told: float
    alone: float
    worker_cpu_share: float
    log_every: int

    @property
    def share(self) -> float:
        return self.told / self.step


@dataclass(frozen=True)
class Told:
    told: float
    alone: float
    cpu_share: float


def measure(load: Load, *, steps: int, seconds: float) -> Figures:
    arm = Arm(load, Way(sd=True))
    times = [arm.step() for _ in range(STEP_REPEATS)][1:]
    step = median(times)
    config = arm_config(load, Way(sd=True))
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="rd"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        quick = reported(config, home / "quick", steps=steps, pause=PAUSE_SECONDS)
        paced = reported(config, home / "paced", steps=max(2 * config.log_every, round(seconds / step)), pause=step)
    return Figures(step, quick.told, quick.alone, paced.cpu_share, config.log_every)


def reported(config: RunConfig, home: Path, *, steps: int, pause: float) -> Told:
    """One run of a worker, from the first point that arrived to its end."""
    from tests.jobs.parts import Controller, RedisServer, WorkerProcess, wait_until

    home.mkdir(parents=True)
    found = home / "seconds.json"
    command = [sys.executable, "-m", "tests.benchmarks.reporting", str(found), str(steps), repr(pause)]
    with ExitStack() as stack:
        server = RedisServer(home)
        server.start()
        stack.callback(server.stop)
        controller = Controller(server.url)
        stack.callback(controller.close)
        worker = WorkerProcess(home / "w", server.url, RESDROP_TRAINER_COMMAND=shlex.join(command))
        stack.callback(worker.end)
        worker.start()
        assert worker.process is not None
        watched = [psutil.Process(worker.process.pid), *_redis_servers()]
        controller.launch("bench", config=config)
        wait_until(lambda: controller.last_step("bench"), seconds=120, what="the first point")
        before, start = _cpu_seconds(watched), time.monotonic()
        wait_until(
            lambda: controller.last_word("bench"),
            seconds=120 + 2 * steps * (pause + 0.001),
            what="the last word",
        )
        share = (_cpu_seconds(watched) - before) / (time.monotonic() - start)
        assert controller.last_word("bench").kind == "completed"
    seconds = json.loads(found.read_text())
    return Told(_by_point(seconds["told"], config), _by_point(seconds["alone"], config), share)


def _by_point(seconds: Sequence[float], config: RunConfig) -> float:
    every = config.log_every
    return median(fmean(seconds[start : start + every]) for start in range(0, len(seconds) - every + 1, every))


def _redis_servers() -> list[psutil.Process]:
    return [child for child in psutil.Process(os.getpid()).children() if "redis" in child.name()]


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """Without their children: the trainer is one of them."""
    return sum(process.cpu_times().user + process.cpu_times().system for process in processes)


def main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    install("pytest")
    print(machine_line())
    load = Load(50, given.image_size, given.batch, 0.5)
    figures = measure(load, steps=given.steps, seconds=given.seconds)
    print(f"\nResNet-50, {load.image_size} px, batch {load.batch}; a point every {figures.log_every} steps")
    rows = [
        ("a training step", f"{1000 * figures.step:.1f} ms", ""),
        ("telling of it to the dashboard", f"{1e6 * figures.told:.0f} us", f"{100 * figures.share:.4f} %"),
        ("telling of it to nobody", f"{1e6 * figures.alone:.0f} us", f"{100 * figures.alone / figures.step:.4f} %"),
    ]
    print(table(("on the training thread", "time", "of the step"), rows))
    print(f"\nbeside it, worker and Redis: {100 * figures.worker_cpu_share:.2f} % of one core")
    write_json(given.json, "overhead", asdict(figures) | {"share": figures.share})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="resdrop bench overhead", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image_size", type=int, default=112, help="pixels a side (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="images in a step (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=4000, help="told of in quick succession (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="at the pace of real steps (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser
