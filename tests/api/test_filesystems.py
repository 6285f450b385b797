"""A service whose home is on a filesystem without flock, as Lustre is by default: one sentence with the remedy."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.refusing import NO_FLOCK, is_possible, refusing

pytestmark = pytest.mark.skipif(not is_possible(), reason="there is no filter of system calls here")

REPOSITORY = Path(__file__).resolve().parents[2]
INSTALL = """
import sys
from pathlib import Path
from backend.process.environment import Environment, _alone
with _alone(Environment(Path(), Path(sys.argv[1]))):
    print("alone", flush=True)
    sys.stdin.read()
"""


def command(*arguments: str) -> list[str]:
    return refusing(NO_FLOCK, [sys.executable, *arguments])


def surroundings(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RESDROP_")}
    return kept | {"RESDROP_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "backend.cli", "up", "--no-browser", "--port", "0"], "Choose one on a local disk with --home"),
        (["-m", "backend.serve"], "name a Postgres in RESDROP_DATABASE_URL"),
        (["-m", "backend.controller"], "name a Postgres in RESDROP_DATABASE_URL"),
    ],
)
def test_a_home_without_file_locks_is_refused_with_a_remedy(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = subprocess.run(
        command(*arguments),
        env=surroundings(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert f"{tmp_path} is on a filesystem without file locks (flock: No locks available)" in done.stderr
    assert "Traceback" not in done.stderr


def test_packages_are_still_installed_by_one_start_at_a_time(tmp_path: Path) -> None:
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command("-c", INSTALL, str(tmp_path / "venv")),
            env=surroundings(tmp_path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    with start() as first, start() as second:
        one, other = first, second
        answered = threading.Event()

        def read(process: subprocess.Popen[str]) -> None:
            nonlocal one, other
            assert process.stdout is not None
            if process.stdout.readline() == "alone\n" and not answered.is_set():
                one, other = (first, second) if process is first else (second, first)
                answered.set()

        readers = [threading.Thread(target=read, args=(process,)) for process in (first, second)]
        for reader in readers:
            reader.start()
        assert answered.wait(60)
        assert other.stderr is not None
        assert other.stderr.readline() == "Another start is installing the packages; waiting for it.\n"
        one.communicate()
        for reader in readers:
            reader.join(60)
        other.communicate()
        assert (one.returncode, other.returncode) == (0, 0)
