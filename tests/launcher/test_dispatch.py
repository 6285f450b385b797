"""What the launcher hands over, to whom, and how quickly."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from tests.launcher.clone import REAL_PYTHON, Launcher


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_needs_no_python(launcher: Launcher, arguments: list[str]) -> None:
    done = launcher.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    service = ("up", "down", "status", "doctor", "runs", "comparisons", "datasets")
    for verb in (*service, "train", "compare", "estimate", "evaluate", "export", "data", "bench", "test"):
        assert f"\n  {verb} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "handed_over"),
    [
        (["train", "--epochs", "3"], "[-m] [worker.engine] [train] [--epochs] [3] "),
        (["compare", "--seeds", "0,1"], "[-m] [worker.engine] [compare] [--seeds] [0,1] "),
        (["evaluate", "--run", "a run"], "[-m] [worker.engine] [evaluate] [--run] [a run] "),
        (["data", "verify", "a folder"], "[-m] [worker.engine] [data] [verify] [a folder] "),
        (["bench", "sd", "--json", "a file"], "[-m] [tests.benchmarks] [sd] [--json] [a file] "),
        (["up", "--home", "a folder"], "[-m] [backend.cli] [up] [--home] [a folder] "),
        (["runs", "list", ""], "[-m] [backend.cli] [runs] [list] [] "),
        (["test", "--quick", "tests/cli"], "[-m] [pytest] [-m] [not browser and not fault] [tests/cli] "),
        (
            ["test", "--quick", "-k", "a and b", "-x"],
            "[-m] [pytest] [-m] [not browser and not fault] [-k] [a and b] [-x] ",
        ),
    ],
)
def test_arguments_reach_the_right_program_unchanged(
    launcher: Launcher, arguments: list[str], handed_over: str
) -> None:
    launcher.pretend_ready()
    assert launcher.run(*arguments).stdout.splitlines()[0] == handed_over


def test_it_works_from_any_folder_and_leaves_the_callers_as_it_is(launcher: Launcher, tmp_path: Path) -> None:
    launcher.pretend_ready()
    (tmp_path / "elsewhere").mkdir()
    _, folder, path = launcher.run("status", cwd=tmp_path / "elsewhere", PYTHONPATH="/mine").stdout.splitlines()
    assert folder == str(tmp_path / "elsewhere")
    assert path == f"{launcher.root}:/mine"


def test_it_works_through_links_to_it(launcher: Launcher, tmp_path: Path) -> None:
    launcher.pretend_ready()
    (launcher.path / "absolute").symlink_to(launcher.root / "resdrop")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "relative").symlink_to("../bin/absolute")
    done = launcher.run("status")
    for link in (launcher.path / "absolute", tmp_path / "links" / "relative"):
        assert launcher.run_as(link, "status").stdout == done.stdout


def test_files_in_the_callers_folder_do_not_pass_for_its_own(launcher: Launcher, tmp_path: Path) -> None:
    launcher.pretend_ready(REAL_PYTHON)
    (tmp_path / "trap" / "backend").mkdir(parents=True)
    (tmp_path / "trap" / "backend" / "__init__.py").write_text("raise SystemExit('fell into the trap')")
    done = launcher.run("nonsense", cwd=tmp_path / "trap")
    assert "There is no command 'nonsense'" in done.stderr


def test_it_adds_less_than_a_third_of_a_second(launcher: Launcher) -> None:
    launcher.pretend_ready()
    seconds = []
    for _ in range(5):
        began = time.monotonic()
        assert launcher.run("status").returncode == 0
        seconds.append(time.monotonic() - began)
    assert statistics.median(seconds) < 0.3


def test_an_unknown_command_gets_a_suggestion(launcher: Launcher) -> None:
    launcher.pretend_ready(REAL_PYTHON)
    done = launcher.run("trian")
    assert done.returncode == 2
    assert "There is no command 'trian'; did you mean `resdrop train`?" in done.stderr
