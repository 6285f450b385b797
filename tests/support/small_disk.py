"""A disk of a few megabytes for a process of the test's own: a tmpfs in a mount namespace, which ends with it."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_NAMESPACE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-m"]


class SmallDisk:
    """`prefix` before a command lets it see the disk at `place`; `of(pid)` is where the test sees it, then."""

    def __init__(self, place: Path, *, megabytes: int, inodes: int = 4000) -> None:
        place.mkdir()
        self.place = place
        mount = f'mount -t tmpfs -o size={megabytes}m,nr_inodes={inodes},mode=700 none "{place}"'
        self.prefix = [*_NAMESPACE, "sh", "-c", f'{mount} && exec "$@"', "sh"]
        self._pid: int | None = None

    def attach(self, pid: int) -> None:
        """`pid` is the process that was started behind `prefix`."""
        self._pid = pid

    @property
    def seen(self) -> Path:
        assert self._pid is not None
        return Path(f"/proc/{self._pid}/root{self.place}")

    def fill(self, *, leave_bytes: int = 0) -> None:
        """As a neighbour on the same disk would, to the last byte or nearly so."""
        usage = shutil.disk_usage(self.seen)
        wanted = usage.free - leave_bytes
        try:
            with (self.seen / "neighbour").open("ab", buffering=0) as file:
                while wanted > 0:
                    wanted -= file.write(bytes(min(wanted, 65_536)))
        except OSError:
            return

    def empty(self) -> None:
        (self.seen / "neighbour").unlink(missing_ok=True)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.seen).free

    def make_read_only(self, folder: str) -> None:
        """Below the disk, for whatever is opened from now on; the disk itself is busy while files are open on it."""
        path = str(self.place / folder)
        self.inside("mount", "--bind", path, path)
        self.inside("mount", "-o", "remount,bind,ro", path)

    def make_writable(self, folder: str) -> None:
        self.inside("umount", "-l", str(self.place / folder))

    def use_up_inodes(self) -> None:
        folder = self.seen / "many"
        folder.mkdir()
        with contextlib.suppress(OSError):
            for number in itertools.count():
                (folder / str(number)).touch()

    def give_inodes_back(self) -> None:
        shutil.rmtree(self.seen / "many")

    def inside(self, *command: str) -> None:
        """Runs `command` where the disk is mounted."""
        entered = [
            "nsenter",
            "-t",
            str(self._pid),
            "-m",
            *(() if os.geteuid() == 0 else ("-U", "--preserve-credentials")),
        ]
        subprocess.run([*entered, *command], check=True)


def require_small_disks(folder: Path) -> None:
    """Skips the test where no tmpfs can be mounted, not even in a namespace of its own."""
    probe = SmallDisk(folder / "probe", megabytes=1)
    done = subprocess.run([*probe.prefix, "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
