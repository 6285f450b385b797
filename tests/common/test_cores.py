"""How many cores a process may use, asked of real processes with real limits."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.common.cores import SHARE, _quotas, usable_cores

ASK = "from worker.common.cores import usable_cores; print(usable_cores())"
CGROUP = Path("/sys/fs/cgroup/cpu")


def asked(before: str = "", **environment: str) -> int:
    command = [sys.executable, "-c", f"import os; {before}\n{ASK}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    return int(done.stdout)


def test_all_that_affinity_leaves_are_used() -> None:
    assert asked() == len(os.sched_getaffinity(0))
    one = min(os.sched_getaffinity(0))
    assert asked(f"os.sched_setaffinity(0, {{{one}}})") == 1


def test_a_share_that_was_given_is_kept_to() -> None:
    assert asked(**{SHARE: "1"}) == 1
    assert asked(**{SHARE: "1000000"}) == len(os.sched_getaffinity(0))
    for text in ("", "0", "many", "-1"):
        assert usable_cores({SHARE: text}) == (1 if text == "0" else usable_cores({}))


@pytest.fixture
def group() -> Iterator[Path]:
    """A group of processes with less of the CPU than this one has, where this kernel and these rights allow it."""
    made = CGROUP / f"resdrop-{uuid.uuid4().hex[:8]}"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield made
    finally:
        made.rmdir()


def test_the_quota_of_a_control_group_is_kept_to(group: Path) -> None:
    (group / "cpu.cfs_quota_us").write_text("100000")
    assert asked(f"open('{group}/cgroup.procs', 'w').write(str(os.getpid()))") == 1


def described(folder: Path, groups: str, **files: str) -> list[int]:
    """As the kernel would tell it."""
    (folder / "own").write_text(groups)
    for path, content in files.items():
        file = folder / path.replace("__", "/").replace("cpu_", "cpu.")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return list(_quotas(folder / "own", folder))


def test_the_second_version_of_groups_has_its_quota_in_one_file(tmp_path: Path) -> None:
    quota = {"cpu_max": "max 100000\n", "job__cpu_max": "250000 100000\n", "job__step__cpu_max": "max 100000\n"}
    assert described(tmp_path, "0::/job/step\n", **quota) == [3]


def test_within_a_container_the_root_of_the_groups_is_its_own(tmp_path: Path) -> None:
    assert described(tmp_path, "0::/\n", cpu_max="50000 100000\n") == [1]
    assert described(tmp_path, "0::/docker/abc\n", cpu_max="50000 100000\n") == [1]


@pytest.mark.parametrize("content", ["", "max", "x y", "1"])
def test_what_cannot_be_read_limits_nothing(tmp_path: Path, content: str) -> None:
    assert described(tmp_path, "garbage\n0::/\n", cpu_max=content) == []
