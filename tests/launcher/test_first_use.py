"""The environment: made once, made anew when it must be, and what is said where it cannot be made."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from backend.process import environment
from tests.launcher.clone import Launcher

MAKING = "Making the Python environment in"


def assert_refused(launcher: Launcher, said: str, **more: str) -> None:
    """One sentence, exit code 1, no traceback."""
    done = launcher.run("status", **more)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_python_it_names_the_remedy(launcher: Launcher) -> None:
    assert_refused(launcher, "ResDrop needs Python 3.11 to 3.14 and found none on the PATH: install python3.11")


def test_an_old_python_and_a_broken_one_are_passed_over(launcher: Launcher) -> None:
    launcher.put_on_path("python3", "#!/bin/sh\nexit 1\n")
    launcher.put_on_path("python3.12", "#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n")
    assert_refused(launcher, "found none on the PATH")


def test_a_python_that_was_named_and_does_not_serve_is_refused(launcher: Launcher) -> None:
    launcher.put_on_path("python3.11")
    assert_refused(launcher, "RESDROP_PYTHON is /no/python", RESDROP_PYTHON="/no/python")


def test_without_the_venv_module_it_names_the_package(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['ensurepip'] = None\n")
    launcher.put_on_path("python3.11")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert_refused(launcher, f"apt-get install python{version}-venv", PYTHONPATH=str(tmp_path))


def test_a_folder_that_cannot_be_written_to_is_refused(launcher: Launcher, tmp_path: Path) -> None:
    launcher.put_on_path("python3.11")
    (tmp_path / "file").touch()
    assert_refused(
        launcher, "name a folder that you can write to in RESDROP_VENV", RESDROP_VENV=f"{tmp_path}/file/venv"
    )


def test_somebody_elses_folder_is_left_alone(launcher: Launcher, tmp_path: Path) -> None:
    launcher.put_on_path("python3.11")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").touch()
    assert_refused(launcher, "photos is no Python environment", RESDROP_VENV=str(tmp_path / "photos"))
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["one.jpg"]


def test_a_full_disk_is_named_before_anything_is_fetched(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "NEEDED_BYTES", 10**18)
    assert environment.main(["--root", str(launcher.root), "--venv", str(launcher.venv)]) == 1
    said = capsys.readouterr().err
    assert "GB free and the Python packages need 1000000000 GB" in said
    assert not launcher.venv.exists()


def test_it_is_made_once_and_again_only_when_the_requirements_change(launcher: Launcher) -> None:
    launcher.put_on_path("python3.11")
    first = launcher.run("nonsense")
    assert MAKING in first.stderr
    assert "Everything is installed" in first.stderr
    assert launcher.run("nonsense").stderr.startswith("There is no command")
    launcher.require(one="1.0", other="2.0")
    changed = launcher.run("nonsense").stderr
    assert MAKING not in changed
    assert "Everything is installed" in changed
    assert list(launcher.venv.glob("lib/python*/site-packages/other.py"))


def test_without_a_network_it_says_so_and_the_next_start_goes_on(launcher: Launcher) -> None:
    launcher.put_on_path("python3.11")
    away = {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    assert_refused(launcher, "the package index cannot be reached: check the network", **away)
    again = launcher.run("nonsense").stderr
    assert MAKING not in again
    assert "Everything is installed" in again


def test_two_starts_at_once_make_it_once(launcher: Launcher) -> None:
    launcher.put_on_path("python3.11")
    both = [launcher.start("nonsense") for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert sum(MAKING in text for text in said) == 1
    assert sum("waiting for it" in text for text in said) == 1
    assert all("There is no command 'nonsense'" in text for text in said)


@pytest.mark.fault
def test_an_installation_that_was_killed_is_started_afresh(launcher: Launcher) -> None:
    launcher.put_on_path("python3.11")
    process = launcher.start("nonsense")
    deadline = time.monotonic() + 60
    while not (launcher.venv / "bin" / "python").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    again = launcher.run("nonsense").stderr
    assert "The last installation did not finish; starting it afresh." in again
    assert "Everything is installed" in again
    assert "There is no command 'nonsense'" in again
