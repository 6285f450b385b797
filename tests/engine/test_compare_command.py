from __future__ import annotations

import argparse
import csv
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.engine.parts import TINY
from worker.contract.config import RunConfig
from worker.contract.options import add_config_options, given_settings
from worker.engine.__main__ import main
from worker.engine.checkpoint import newest_first
from worker.engine.compare.arms import typed
from worker.engine.results import ResultsFolder
from worker.engine.sinks.history import read_history
from worker.engine.verbs import compare

SETTINGS = {name: value for name, value in TINY.items() if name not in ("sd", "seed")} | {
    "epochs": 3,
    "log_every": 1,
    "checkpoint_minutes": 1e-6,
}
RUNS = [(seed, arm) for seed in ("4", "7") for arm in ("baseline", "sd")]


def options(out: Path, *, mode: str = "sequential", seeds: str = "4,7", **changes: object) -> list[str]:
    settings = [f"--{name}={value}" for name, value in (SETTINGS | changes).items()]
    return ["compare", "--out", str(out), "--mode", mode, "--seeds", seeds, *settings]


def table(out: Path) -> list[dict[str, str]]:
    """Everything but the times."""
    rows = list(csv.DictReader((out / "comparison.csv").read_text().splitlines()))
    return [{name: cell for name, cell in row.items() if "second" not in name} for row in rows]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "comparison"
    assert main(options(out)) == 0
    return out


@contextmanager
def started(out: Path, *, mode: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.engine", *options(out, mode=mode)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_rows(run: Path, rows: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while len(read_history(run / "history.csv")) < rows:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_comparison_leaves_its_results_in_one_folder(undisturbed: Path) -> None:
    rows = table(undisturbed)
    assert [(row["seed"], row["arm"]) for row in rows] == RUNS
    assert {row["status"] for row in rows} == {"completed"}
    for row in rows:
        run = undisturbed / f"seed-{row['seed']}" / row["arm"]
        accuracies = [float(point["val/top1"]) for point in read_history(run / "history.csv") if point["val/top1"]]
        assert (float(row["last_top1"]), float(row["best_top1"])) == (accuracies[-1], max(accuracies))
        config = json.loads((run / "config.json").read_text())
        assert (str(config["seed"]), config["sd"]) == (row["seed"], row["arm"] == "sd")
        assert (float(row["compute"]) < 1) == (row["arm"] == "sd")
    record = json.loads((undisturbed / "comparison.json").read_text())
    assert record["verdict"]["last_top1"]["n"] == 2
    assert record["seeds"] == [4, 7]
    report = (undisturbed / "report.html").read_text()
    assert "Images won and lost" in report
    assert "Methods, to be pasted into a paper" in report


def test_completed_runs_are_not_trained_again(undisturbed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = table(undisturbed)
    newest = newest_first(undisturbed / "seed-4" / "sd" / "checkpoints")[0].stat().st_mtime_ns
    assert main(options(undisturbed)) == 0
    said = capsys.readouterr().out
    assert said.count("completed before") == 4
    assert "points (95 % interval" in said
    assert json.loads((undisturbed / "comparison.json").read_text())["verdict"]["headline"] in said
    assert table(undisturbed) == before
    assert newest_first(undisturbed / "seed-4" / "sd" / "checkpoints")[0].stat().st_mtime_ns == newest


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"lr": 0.2}, "lr was 0.1 and is 0.2"),
        ({"mode": "parallel"}, "mode was sequential and is parallel"),
        ({"seeds": "4"}, "seeds 7 are missing"),
    ],
)
def test_a_changed_setting_is_refused(
    undisturbed: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str], complaint: str
) -> None:
    before = (undisturbed / "comparison.json").read_text()
    assert main(options(undisturbed, **changes)) == 2  # type: ignore[arg-type]
    said = capsys.readouterr().err
    assert complaint in said
    assert "--fresh" in said
    assert (undisturbed / "comparison.json").read_text() == before


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_a_killed_comparison_goes_on_to_the_same_table(tmp_path: Path, undisturbed: Path, mode: str) -> None:
    with started(tmp_path, mode=mode) as process:
        wait_for_rows(tmp_path / "seed-4" / "sd", 6, process)
        # Its runs pause by themselves when it is gone, and the same command waits for them.
        process.kill()
    assert main(options(tmp_path, mode=mode)) == 0
    assert table(tmp_path) == table(undisturbed)


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_ctrl_c_pauses_every_run_with_a_checkpoint(tmp_path: Path, undisturbed: Path, mode: str) -> None:
    with started(tmp_path, mode=mode) as process:
        wait_for_rows(tmp_path / "seed-4" / "sd", 3, process)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 130, said
    assert "the same command goes on from there" in said
    assert "seed 4 sd: paused" in said
    status = json.loads((tmp_path / "seed-4" / "sd" / "summary.json").read_text())["status"]
    assert status == "paused"
    assert {run["status"] for run in json.loads((tmp_path / "comparison.json").read_text())["runs"]} >= {"not begun"}
    assert main(options(tmp_path, mode=mode)) == 0
    assert table(tmp_path) == table(undisturbed)


def test_a_folder_of_the_first_version_goes_on_to_the_same_table(tmp_path: Path, undisturbed: Path) -> None:
    """It had no other arms than a baseline and its twin, and no plan."""
    out = tmp_path / "comparison"
    shutil.copytree(undisturbed, out)
    shutil.rmtree(out / "seed-7" / "sd")
    record = json.loads((out / "comparison.json").read_text())
    assert record["format"] == 1
    first = ("format", "mode", "gpu_split", "seeds", "config", "placement", "runs", "verdict")
    (out / "comparison.json").write_text(json.dumps({name: record[name] for name in first}))
    assert main(options(out)) == 0
    assert table(out) == table(undisturbed)
    assert json.loads((out / "comparison.json").read_text())["planned"] == [4, 7]


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main([*options(tmp_path), "--fresh"]) == 2
    assert "is not empty and holds no comparison" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("more", [[], ["--fresh"]])
def test_a_second_comparison_in_the_same_folder_is_kept_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    out = tmp_path / "comparison"
    with ResultsFolder(out).locked():
        assert main([*options(out), *more]) == 2
        refusal = f"process {os.getpid()} on {socket.gethostname()} is training in {out}; end it or give another --out"
        assert refusal in capsys.readouterr().err
        assert [path.name for path in out.iterdir() if not path.name.startswith(".lock")] == []


def test_a_killed_run_is_reported_and_the_rest_goes_on(tmp_path: Path, undisturbed: Path) -> None:
    with started(tmp_path, mode="sequential") as process:
        wait_for_rows(tmp_path / "seed-4" / "baseline", 3, process)
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 1
    assert "seed-4/baseline failed: ended by SIGKILL" in said
    assert "val/top1 after the last epoch, SD − baseline" in said
    assert [row["status"] for row in table(tmp_path)] == ["failed", "completed", "completed", "completed"]
    # One seed is left to be compared.
    assert "one seed: no interval is available" in said
    assert main(options(tmp_path)) == 0
    assert table(tmp_path) == table(undisturbed)


def test_a_terminal_shows_a_line_for_each_run_that_trains(tmp_path: Path) -> None:
    terminal, inside = pty.openpty()
    command = [sys.executable, "-m", "worker.engine", *options(tmp_path, mode="parallel", seeds="4", epochs=6)]
    with subprocess.Popen(command, stdout=inside, stderr=inside, start_new_session=True) as process:
        os.close(inside)
        said = _everything(terminal)
    assert process.returncode == 0, said
    assert "\x1b[2A\x1b[J" in said
    for arm in ("baseline", "sd      "):
        assert f"seed 4 {arm}  epoch " in said
    assert "ETA 0:00:0" in said


def _everything(terminal: int) -> str:
    parts = []
    # Linux ends a terminal that nobody writes to any more with an error.
    with suppress(OSError):
        while part := os.read(terminal, 65_536):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()


def test_divergence_of_one_run_leaves_the_others_and_exits_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options(tmp_path, seeds="4", lr=100, weight_decay=1, warmup_epochs=0, epochs=10, bn_reestimate=0)) == 1
    said = capsys.readouterr().out
    assert "seed-4/baseline failed: a weight or a batch-norm statistic stopped being finite" in said
    assert "seed 4 sd: training in" in said
    assert "No seed has ended with a value of every arm" in said
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--gpu_split"], "--gpu_split is for runs at once"),
        (["--mode", "parallel", "--gpu-split", "--device", "cpu"], "--gpu_split needs 2 GPUs"),
        (["--epochs", "0"], "epochs: epochs '0'"),
        (["--dataset", "cifar10", "--data_dir", "/nowhere"], "data_dir /nowhere does not exist"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert main(["compare", "--out", str(tmp_path / "out"), *arguments]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_trained_on_and_what_is_probably_not_meant_are_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options(tmp_path, seeds="4", epochs=1, bn_reestimate=0)) == 0
    said = capsys.readouterr().out
    assert "digits: 1,437 training and 360 validation images of 10 classes, at 8 px" in said
    assert said.count("note: with sd and only 1 epoch, batch-norm statistics") == 1


@pytest.mark.parametrize("dataset", ["digits", "imagefolder", "cifar10"])
@pytest.mark.parametrize("depth", [20, 50])
def test_each_run_is_given_the_settings_of_the_comparison(dataset: str, depth: int) -> None:
    config = RunConfig.model_validate({"dataset": dataset, "data_dir": "/images", "depth": depth})
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    assert RunConfig.model_validate(given_settings(parser.parse_args(typed(config)))) == config


@pytest.mark.parametrize(
    ("seeds", "complaint"),
    [
        ("", "no seed is named"),
        ("one", "seed 'one' is neither a whole number of 0 or more nor a range of them"),
        ("1,1", "seed 1 is named twice; leave one out"),
        ("1,,2", "seed '' is neither"),
        ("4-0", "the range 4-0 of seeds ends before it begins; write 0-4"),
        ("0-50", "51 seeds are named and a comparison has at most 50; name fewer"),
    ],
)
def test_seeds_that_are_none_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seeds: str, complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--out", str(tmp_path), "--seeds", seeds])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_seeds_may_be_a_range() -> None:
    parser = argparse.ArgumentParser()
    compare.add(parser.add_subparsers())
    arguments = parser.parse_args(["compare", "--out", "pairs", "--seeds", "0, 2, 5-7"])
    assert arguments.seeds == [0, 2, 5, 6, 7]


def test_begun_afresh_only_the_comparison_is_deleted(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(options(out, seeds="4", epochs=1)) == 0
    (out / "notes.txt").write_text("mine")
    assert main([*options(out, seeds="7", epochs=1, lr=0.2), "--fresh"]) == 0
    assert sorted(path.name for path in out.iterdir() if path.name.startswith("seed")) == ["seed-4", "seed-7"]
    assert not (out / "seed-4" / "sd").exists()
    assert (out / "notes.txt").read_text() == "mine"
