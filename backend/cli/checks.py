"""What `doctor` looks at. Every check says what it found and, where that will not do, the remedy."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from backend.db import soundness
from backend.process import redis_server
from backend.process.errors import CommandError
from backend.process.home import Home
from backend.process.supervision import ROOT
from backend.settings import Settings, without_password
from worker.common.disk import Reserve, room_at, shown_size


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Check:
    name: str
    level: Level
    text: str
    remedy: str = ""


def all_checks(home: Home) -> Iterator[Check]:
    """One after the other, so that each can be told at once; torch takes seconds."""
    yield check_python()
    yield check_packages()
    yield from check_torch()
    yield check_redis(home)
    yield from check_home(home)
    yield check_shared_memory()
    yield check_service(home)


def check_python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    text = f"Python {version} in {sys.prefix}"
    if sys.version_info[:2] > (3, 14):
        return Check("python", Level.WARN, text, "3.11 to 3.14 are served; name one of them in RESDROP_PYTHON")
    return Check("python", Level.OK, text + ("" if sys.version_info[:2] == (3, 11) else " (3.11 is the tested one)"))


_TOLD_PACKAGES = ("torchvision", "numpy", "fastapi", "sqlalchemy", "celery", "redis")


def check_packages() -> Check:
    """Are the installed packages those that are pinned?"""
    wrong = [found for line in _pins() if (found := _departure(line))]
    if not wrong:
        shown = ", ".join(f"{name} {metadata.version(name)}" for name in _TOLD_PACKAGES)
        return Check("packages", Level.OK, f"the {len(_pins())} pinned packages are installed: {shown}, ...")
    few = ", ".join(wrong[:5]) + (", ..." if len(wrong) > 5 else "")
    return Check(
        "packages", Level.WARN, f"not as pinned: {few}", f"remove {sys.prefix} and start again, or run with it"
    )


def _pins() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line for line in lines if "==" in line and not line.startswith("#") and ";" not in line]


def _departure(pin: str) -> str | None:
    name, _, version = pin.partition("==")
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    # A build for another accelerator, such as 2.14.1+cpu, is the same version.
    return None if installed.partition("+")[0] == version else f"{name} {installed} for {version}"


_ASK_TORCH = """
import json, torch
cuda = torch.cuda.is_available()
devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())] if cuda else []
print(json.dumps({
    "version": torch.__version__, "built_for": torch.version.cuda, "cuda": cuda,
    "devices": [{"name": d.name, "gib": d.total_memory / 2**30, "capability": f"{d.major}.{d.minor}"} for d in devices],
}))
"""


def check_torch() -> Iterator[Check]:
    """torch, CUDA and devices, asked of a process of its own: the command itself stays free of torch."""
    try:
        asked = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _ASK_TORCH], capture_output=True, text=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired:
        yield Check("torch", Level.FAIL, "importing it took over 180 s", "look at the disk, or at the NVIDIA driver")
        return
    if asked.returncode != 0:
        said = (asked.stderr.strip().splitlines() or ["it says nothing"])[-1]
        yield Check("torch", Level.FAIL, said, f"remove {sys.prefix} and start again: the packages are made anew")
        return
    answer = json.loads(asked.stdout.splitlines()[-1])
    yield Check("torch", Level.OK, answer["version"])
    yield _check_cuda(answer["cuda"], answer["built_for"])
    for index, device in enumerate(answer["devices"]):
        text = f"cuda:{index} {device['name']}, {device['gib']:.0f} GiB, compute capability {device['capability']}"
        yield Check("device", Level.OK, text)
    yield Check("device", Level.OK, f"cpu, {len(os.sched_getaffinity(0))} cores for this process")


def _check_cuda(available: bool, built_for: str | None) -> Check:
    if available:
        return Check("cuda", Level.OK, f"CUDA {built_for}")
    if built_for is None:
        return Check("cuda", Level.WARN, "this torch is built without CUDA; training runs on the CPU")
    if shutil.which("nvidia-smi"):
        remedy = f"torch needs a driver for CUDA {built_for}; `nvidia-smi` shows the driver's version: update it"
        return Check("cuda", Level.WARN, "there is an NVIDIA driver but torch finds no device", remedy)
    return Check("cuda", Level.WARN, "no NVIDIA driver; training runs on the CPU", "install one if there is a GPU")


def check_redis(home: Home) -> Check:
    named = redis_server.external(os.environ)
    if named is not None:
        return check_redis_connection(named)
    try:
        program = redis_server.find_program()
    except CommandError as error:
        return Check("redis", Level.FAIL, "no server found", str(error))
    version = ".".join(map(str, redis_server.version_of(program) or ("?",)))
    return Check("redis", Level.OK, f"{version}, {program}; its data is in {home.redis}")


def check_redis_connection(url: str) -> Check:
    """Does the Redis that somebody else runs answer?"""
    import redis

    shown = without_password(url)
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            version = client.info("server")["redis_version"]
    except (redis.RedisError, ValueError) as error:
        return Check("redis", Level.FAIL, f"{shown}: {error}", "start it, or unset RESDROP_REDIS_URL for our own")
    return Check("redis", Level.OK, f"{version} at {shown}")


#: So many times what runs leave free on a disk; with less, one should know before they make way.
_COMFORTABLE_RESERVES = 5
_FAR_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "lustre", "ceph"}


def check_home(home: Home) -> Iterator[Check]:
    """May it be written to, what room is there, and does the database open?"""
    try:
        settings = Settings.from_environment({**os.environ, "RESDROP_HOME": str(home.path)})
    except ValueError as error:
        yield Check("settings", Level.FAIL, str(error))
        return
    existing = next(path for path in (home.path, *home.path.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        remedy = "choose another with --home, or give yourself the right to write there"
        yield Check("home", Level.FAIL, f"{existing} cannot be written to", remedy)
    else:
        yield Check("home", Level.OK, f"{home.path}" + ("" if existing == home.path else " (made by the first `up`)"))
    yield _check_disk(existing, settings.disk_reserve)
    yield _check_database(settings.database_url, existing)


def _check_disk(path: Path, reserved: Reserve) -> Check:
    room = room_at(path)
    reserve = reserved.bytes_of(room.total_bytes)
    free, total = shown_size(room.free_bytes), shown_size(room.total_bytes)
    text = f"{free} of {total} free at {path}, {shown_size(reserve)} are to stay free"
    if not room.lacks(_COMFORTABLE_RESERVES * reserve):
        return Check("disk", Level.OK, text)
    level = Level.FAIL if room.lacks(reserve) else Level.WARN
    return Check("disk", level, text, "checkpoints need room: make some, or choose a --home on another disk")


def _check_database(url: str, existing: Path) -> Check:
    if not url.startswith("sqlite"):
        return _check_postgres_schema(url)
    path = Path(url.removeprefix("sqlite:///"))
    kind = _filesystem(existing)
    if kind in _FAR_FILESYSTEMS:
        remedy = "put the home on a local disk, or name a Postgres in RESDROP_DATABASE_URL"
        return Check("database", Level.WARN, f"SQLite on {kind}, where its locks cannot be relied on", remedy)
    try:
        soundness.check_sqlite(path)
    except soundness.Unusable as error:
        return Check("database", Level.FAIL, error.text, error.remedy)
    made = "" if path.exists() else " (made by the first `up`)"
    return Check("database", Level.OK, f"SQLite {sqlite3.sqlite_version}, {path}{made}")


def _check_postgres_schema(url: str) -> Check:
    answer = check_postgres(url)
    if answer.level is Level.FAIL:
        return answer
    try:
        soundness.check_postgres(url)
    except soundness.Unusable as error:
        return Check("database", Level.FAIL, error.text, error.remedy)
    return answer


def check_postgres(url: str) -> Check:
    """Does the Postgres answer? `url` is SQLAlchemy's."""
    import psycopg

    try:
        with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=5) as connection:
            version = connection.info.server_version // 10000
    except psycopg.Error as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Check("database", Level.FAIL, f"Postgres: {said}", "start it, or correct RESDROP_DATABASE_URL")
    return Check("database", Level.OK, f"Postgres {version}")


def _filesystem(path: Path) -> str:
    """The kind of the filesystem that holds `path`, by the longest mount point above it; "" where nothing tells."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    above = [(len(point), kind) for point, kind in mounts if path.is_relative_to(point.replace("\\040", " "))]
    return max(above, default=(0, ""))[1]


def check_shared_memory() -> Check:
    """Loader processes hand their batches over through /dev/shm; containers give it 64 MB."""
    try:
        total = shutil.disk_usage("/dev/shm").total
    except OSError:
        return Check("memory", Level.OK, "no /dev/shm here")
    text = f"{total / 1e9:.1f} GB of shared memory"
    if total < 5e8:
        return Check(
            "memory", Level.WARN, text, "loader_workers above 0 need more: run the container with --shm-size=2g"
        )
    return Check("memory", Level.OK, text)


def check_service(home: Home) -> Check:
    address = home.address()
    if address is None:
        return Check("service", Level.OK, f"nothing is running on {home.path}")
    return Check("service", Level.OK, f"running at {address.url}; `resdrop status` tells more")
