from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engine.parts import TINY, Recorder, differences, final_state, run_to_end, tiny
from tests.engine.small_folders import SMALL_FOLDER, folder_of
from worker.common.signals import ENDING, WARNING
from worker.engine.__main__ import main
from worker.engine.checkpoint import newest_first
from worker.engine.results import ResultsFolder
from worker.engine.sinks.history import read_history

TIMES = ("elapsed_seconds", "at", "images_per_second")


def options(out: Path, **changes: object) -> list[str]:
    settings = TINY | changes
    return [
        "train",
        "--out",
        str(out),
        *(part for name, value in settings.items() for part in (f"--{name}", str(value))),
    ]


def history(out: Path) -> list[dict[str, str]]:
    return [
        {name: cell for name, cell in row.items() if name not in TIMES} for row in read_history(out / "history.csv")
    ]


def test_help_and_refusals_come_without_importing_torch() -> None:
    program = "import sys; from worker.engine.__main__ import main\n"
    program += "try: main(['train', '--help'])\nexcept SystemExit: pass\n"
    program += "assert main(['train', '--out', '/nowhere', '--epochs', '0']) == 2\n"
    program += "assert 'torch' not in sys.modules\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--bn_reestimate" in done.stdout


def test_a_run_leaves_its_results_in_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results"
    assert main(options(out)) == 0
    recorder = run_to_end(tiny(), tmp_path / "same")
    assert [int(row["step"]) for row in history(out)] == [point.step for point in recorder.points]
    assert differences(final_state(out / "checkpoints"), final_state(tmp_path / "same")) == []
    summary = json.loads((out / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert json.loads((out / "config.json").read_text())["seed"] == TINY["seed"]
    assert "epoch 2/2: val/top1" in (out / "train.log").read_text()
    assert list((out / "tensorboard").iterdir())
    assert "completed in" in capsys.readouterr().out


def test_a_folder_alone_is_trained_on_from_wherever_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = folder_of(tmp_path / "data", ["cat", "dog"]), tmp_path / "results"
    settings = {name: value for name, value in (SMALL_FOLDER | {"epochs": 1}).items() if name != "dataset"}
    monkeypatch.chdir(tmp_path)
    assert main(options(out, data_dir="data/", **settings)) == 0
    said = capsys.readouterr().out
    assert f"imagefolder in {data}: 8 training and 8 validation images of 2 classes, at 16 px" in said
    assert said.count("with sd and only 1 epoch, batch-norm statistics") == 1
    monkeypatch.chdir(data)
    assert main(options(out, data_dir=data, **settings)) == 0
    assert "--fresh begins it anew" in capsys.readouterr().out


def test_a_completed_run_is_left_alone_until_it_is_asked_for_afresh(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options(tmp_path, epochs=1)) == 0
    written = (tmp_path / "train.log").read_text()
    assert main(options(tmp_path, epochs=1)) == 0
    assert "--fresh begins it anew" in capsys.readouterr().out
    assert (tmp_path / "train.log").read_text() == written
    assert main([*options(tmp_path, epochs=1, seed=9), "--fresh"]) == 0
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 9


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options(tmp_path, epochs=1)) == 0
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    assert main(options(tmp_path, epochs=1, lr=0.2)) == 2
    complaint = capsys.readouterr().err
    assert "lr was 0.1 and is 0.2" in complaint
    assert "--fresh" in complaint
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"epochs": 0}, "epochs: epochs '0' is below 1; give 1 or more"),
        ({"lr": "fast"}, "lr: lr 'fast'"),
        ({"batch": 4096}, "batch: batch 4096 exceeds the 1437 training images of digits; lower it to 1437 or less"),
        ({"dataset": "imagefolder"}, "data_dir: imagefolder needs data_dir"),
        ({"dataset": "cifar10", "data_dir": "/nowhere"}, "data_dir /nowhere does not exist"),
        ({"data_dir": "/nowhere"}, "data_dir /nowhere does not exist"),
        ({"amp": "fp16", "device": "cpu"}, "set amp to auto"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, object], complaint: str
) -> None:
    assert main(options(tmp_path / "results", **settings)) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("arguments", [["train"], ["train", "--out", "x", "--epoch", "3"], ["dance"], []])
def test_what_the_parser_refuses_exits_with_two(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize("extra", [[], ["--fresh"]])
def test_a_folder_of_something_else_is_not_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main([*options(tmp_path), *extra]) == 2
    assert "is not empty and holds no run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_whose_clearing_was_interrupted_is_still_known_as_a_runs(tmp_path: Path) -> None:
    assert main(options(tmp_path, epochs=1)) == 0
    folder = ResultsFolder(tmp_path)
    # As a write-protected disk would stop it in the middle.
    folder.log.unlink()
    folder.log.mkdir()
    with pytest.raises(OSError, match=r"train\.log"):
        folder.clear()
    folder.refuse_strangers()
    folder.log.rmdir()
    assert main([*options(tmp_path, epochs=1, seed=9), "--fresh"]) == 0


def test_a_damaged_checkpoint_is_passed_over_for_the_older(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options(tmp_path)) == 0
    expected, whole = final_state(tmp_path / "checkpoints"), history(tmp_path)
    newest = newest_first(tmp_path / "checkpoints")[0]
    newest.write_bytes(newest.read_bytes()[:-100])
    (tmp_path / "summary.json").unlink()
    capsys.readouterr()
    assert main(options(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "is damaged" in said
    assert "going on after step 5" in said
    assert history(tmp_path) == whole
    assert differences(final_state(tmp_path / "checkpoints"), expected) == []


def test_a_copy_beside_the_checkpoints_is_left_alone(tmp_path: Path) -> None:
    assert main(options(tmp_path, epochs=1)) == 0
    newest = newest_first(tmp_path / "checkpoints")[0]
    copy = newest.with_name(f"{newest.stem} (copy).pt")
    copy.write_bytes(newest.read_bytes())
    (tmp_path / "summary.json").unlink()
    assert main(options(tmp_path, epochs=1)) == 0
    assert main(["evaluate", "--run", str(tmp_path)]) == 0
    assert copy.exists()


def test_divergence_is_told_with_its_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options(tmp_path, lr=100, weight_decay=1, warmup_epochs=0, epochs=10, bn_reestimate=0)) == 1
    assert "failed: the training loss stopped being finite" in capsys.readouterr().out
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "failed"


LONG = {"epochs": 6, "checkpoint_minutes": 1e-6, "log_every": 1, "loader_workers": 1}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorder, dict[str, object]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    recorder = run_to_end(tiny(**LONG | {"checkpoint_minutes": 10, "loader_workers": 0}), folder)
    return recorder, final_state(folder)


def started(out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "worker.engine", *options(out, **LONG)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )


def wait_for_rows(out: Path, rows: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while len(read_history(out / "history.csv")) < rows:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("number", [*ENDING, *WARNING, signal.SIGKILL])
def test_an_interrupted_command_goes_on_to_the_same_end(
    tmp_path: Path, undisturbed: tuple[Recorder, dict[str, object]], number: signal.Signals
) -> None:
    process = started(tmp_path)
    wait_for_rows(tmp_path, 14, process)
    # A terminal and a service manager signal the whole group, loader processes included.
    os.killpg(process.pid, number)
    said, _ = process.communicate(timeout=60)
    if number is signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number
        assert "the same command goes on from there" in said
        assert json.loads((tmp_path / "summary.json").read_text())["status"] == "paused"
    assert main(options(tmp_path, **LONG)) == 0
    recorder, state = undisturbed
    assert [int(row["step"]) for row in history(tmp_path)] == [point.step for point in recorder.points]
    losses = [float(row["train/loss"]) for row in history(tmp_path) if row["train/loss"]]
    assert losses == recorder.values("train/loss")
    # These two settings may differ, because they do not change a result.
    final = final_state(tmp_path / "checkpoints")
    assert differences(final, state) == ["/config/loader_workers", "/config/checkpoint_minutes"]


def test_a_second_training_in_the_same_folder_is_kept_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = started(tmp_path)
    try:
        wait_for_rows(tmp_path, 1, process)
        assert main(options(tmp_path, **LONG)) == 2
        refusal = (
            f"process {process.pid} on {socket.gethostname()} is training in {tmp_path}; end it or give another --out"
        )
        assert refusal in capsys.readouterr().err
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
