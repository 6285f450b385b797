"""scipy takes long to import, and the engine trains without: it is asked for where runs are compared, nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.small_folders import SMALL_FOLDER, folder_of

#: Python in which scipy is not installed.
WITHOUT_SCIPY = """
import importlib.machinery, sys
find = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name.split(".")[0] == "scipy" else find(name, *rest)
)
from worker.engine.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("module", ["backend.app", "backend.cli.__main__", "worker.evidence.verdict", "worker.jobs"])
def test_a_start_does_not_import_scipy(module: str) -> None:
    code = f"import sys, {module}; print('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def without_scipy(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT_SCIPY, *arguments], capture_output=True, text=True)


def test_the_engine_trains_without_scipy(tmp_path: Path) -> None:
    data = folder_of(tmp_path / "images", ["one", "two"])
    settings = [f"--{name}={value}" for name, value in SMALL_FOLDER.items()]
    command = ["train", "--out", str(tmp_path / "run"), "--data_dir", str(data), *settings, "--epochs=1", "--sd=1"]
    done = without_scipy(*command, "--warmup_epochs=0", "--log_every=1")
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout


def test_a_comparison_without_scipy_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    done = without_scipy("compare", "--out", str(tmp_path / "pairs"), "--preset", "demo")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "comparing runs needs scipy, which is not installed here: pip install scipy\n"
    assert not (tmp_path / "pairs").exists()
