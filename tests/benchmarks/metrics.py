"""How long the service takes to read the curves of a long run, and what memory that leaves.

    resdrop bench metrics [--steps 450000] [--log-every 1] [--database sqlite|postgres] [--requests 40]

A run of that many steps with eight metrics goes into a database of its own, and one more of a hundredth of them. Then
the curves of each are asked for over a real socket with max_points=1000, one request after the other and four at once.
The controller's part, which makes the buckets from which long curves are read, is timed beside storing the points.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil

from backend.controller.curve_buckets import CurveBuckets
from backend.db.migrate import upgrade
from backend.db.session import Database
from backend.db.tables import Run
from backend.metrics.ingest import store_points
from tests.benchmarks.report import machine_line, table, write_json
from tests.support.postgres import new_database, running_postgres
from tests.support.service import REPOSITORY, free_port
from worker.contract.config import RunConfig
from worker.contract.messages import Point
from worker.contract.names import Metric

MAX_POINTS = 1000
AT_ONCE = 4
POINTS_OF_MESSAGE = 500
MIB = 2**20
METRICS = (
    *(Metric.TRAIN_LOSS, Metric.TRAIN_TOP1, Metric.LR, Metric.IMAGES_PER_SECOND),
    *(Metric.SD_DEPTH, Metric.SD_COMPUTE, Metric.VAL_LOSS, Metric.VAL_TOP1),
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="resdrop bench metrics", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=450_000, help="of the long run (default: %(default)s)")
    parser.add_argument("--log-every", type=int, default=1, help="steps from point to point (default: %(default)s)")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--requests", type=int, default=40, help="of each kind (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    asked = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = _database(asked.database, folder, stack)
        stored = {"long": _store(url, "r_long", asked.steps, asked.log_every)}
        stored["short"] = _store(url, "r_short", asked.steps // 100, asked.log_every)
        gathered = _gather(url)
        base, process = stack.enter_context(_served(url, folder))
        rows, figures = [], {"store": stored, "gather_seconds": gathered}
        for run_id in ("r_short", "r_long"):
            for at_once in (1, AT_ONCE):
                found = _asked(base, run_id, at_once=at_once, requests=asked.requests)
                memory = process.memory_info().rss / MIB
                figures[f"{run_id} {at_once}"] = {"milliseconds": found, "resident_mib": memory}
                p50, p95 = statistics.median(found), sorted(found)[int(len(found) * 0.95)]
                rows.append((run_id[2:], str(at_once), f"{p50:.0f}", f"{p95:.0f}", f"{memory:.0f}"))
    print(f"{asked.steps:,} steps, a point every {asked.log_every}, {len(METRICS)} metrics, {asked.database}")
    print(machine_line())
    print(table(("run", "at once", "p50 ms", "p95 ms", "resident MiB"), rows))
    print(f"storing {stored['long']:.1f} s, making buckets {gathered:.1f} s")
    write_json(asked.json, "metrics", figures)
    return 0


def _database(kind: str, folder: Path, stack: ExitStack) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'resdrop.db'}"
    return new_database(stack.enter_context(running_postgres()))


def _store(url: str, run_id: str, steps: int, log_every: int) -> float:
    """Through the controller's own function, a transaction for each message; gives the seconds."""
    database = Database(url)
    upgrade(database)
    now = datetime.now(UTC)
    with database.write() as session:
        config = RunConfig().model_dump(mode="json")
        run = Run(id=run_id, name=run_id, tags=[], config=config, status="running", desired="run", change=0)
        run.latest, run.facts, run.created_at, run.queued_at = {}, {}, now, now
        session.add(run)
    begin = time.monotonic()
    reported = range(log_every, steps + 1, log_every)
    for start in range(0, len(reported), POINTS_OF_MESSAGE):
        points = [_point(step, now) for step in reported[start : start + POINTS_OF_MESSAGE]]
        with database.write() as session:
            store_points(session, session.get_one(Run, run_id), attempt=1, points=points)
    seconds = time.monotonic() - begin
    database.close()
    return seconds


def _point(step: int, at: datetime) -> Point:
    values = {name.value: (step * (number + 7) % 1013) / 1013 for number, name in enumerate(METRICS)}
    return Point(step=step, epoch=step / 5000, elapsed_seconds=step / 4, at=at, values=values)


def _gather(url: str) -> float:
    database = Database(url)
    begin = time.monotonic()
    work = CurveBuckets(database)
    while work.work():
        pass
    database.close()
    return time.monotonic() - begin


@contextmanager
def _served(url: str, home: Path) -> Iterator[tuple[str, psutil.Process]]:
    port = free_port()
    environment = {"RESDROP_HOME": str(home), "RESDROP_PORT": str(port), "RESDROP_DATABASE_URL": url}
    api = subprocess.Popen(
        [sys.executable, "-m", "backend.serve"],
        env=os.environ | environment | {"PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}/api/v1"
    try:
        _wait(base)
        yield base, psutil.Process(api.pid)
    finally:
        api.terminate()
        api.wait(20)


def _wait(base: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{base}/schema", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError(f"nothing answers at {base}")


def _asked(base: str, run_id: str, *, at_once: int, requests: int) -> list[float]:
    def ask(_: int) -> float:
        begin = time.monotonic()
        answer = client.get(f"{base}/runs/{run_id}/metrics", params={"max_points": MAX_POINTS})
        assert answer.status_code == 200, answer.text
        return (time.monotonic() - begin) * 1000

    with httpx.Client(timeout=120, trust_env=False) as client, ThreadPoolExecutor(at_once) as pool:
        ask(0)
        return list(pool.map(ask, range(requests)))
