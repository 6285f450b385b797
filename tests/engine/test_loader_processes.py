"""How many processes load images, where nobody has said."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.engine.parts import differences, final_state, tiny
from tests.engine.small_folders import SMALL_FOLDER, folder_of
from tests.engine.test_command_line import options
from worker.common.cores import SHARE
from worker.contract.config import RunConfig
from worker.contract.presets import PRESETS
from worker.engine.__main__ import main
from worker.engine.data.loader_processes import MOST, loader_processes


def chosen(cores: int, *, on_gpu: bool = True, ranks: int = 1, **settings: object) -> int:
    given = {"dataset": "imagefolder", "data_dir": "/data"} | settings
    return loader_processes(RunConfig.model_validate(given), on_gpu=on_gpu, cores=cores, ranks=ranks).count


def test_folders_on_a_gpu_get_what_the_training_process_leaves() -> None:
    assert [chosen(cores) for cores in (1, 2, 4, 8, 16)] == [1, 1, 3, 7, 15]
    assert chosen(128) == MOST


def test_ranks_and_runs_share_the_cores() -> None:
    assert [chosen(32, ranks=ranks, devices=ranks) for ranks in (1, 2, 4, 8)] == [16, 15, 7, 3]
    assert chosen(4, ranks=8, devices=8) == 1


def test_on_a_cpu_training_itself_takes_the_cores() -> None:
    assert [chosen(cores, on_gpu=False) for cores in (1, 2, 64)] == [0, 1, 1]


@pytest.mark.parametrize("dataset", ["digits", "cifar10"])
def test_small_images_in_memory_need_nobody(dataset: str) -> None:
    assert chosen(64, dataset=dataset) == 0
    assert chosen(64, dataset=dataset, image_size=224) == MOST, "they are resized for each batch"


def test_what_was_said_is_done() -> None:
    assert [chosen(64, loader_workers=count) for count in (0, 2, 40)] == [0, 2, 40]


@pytest.mark.parametrize("given", [None, "auto"])
def test_it_is_chosen_unless_somebody_says_otherwise(given: str | None) -> None:
    assert RunConfig.model_validate({"loader_workers": given}).loader_workers is None
    assert RunConfig().loader_workers is None
    assert {preset.config.loader_workers for preset in PRESETS} == {None}


def test_what_was_chosen_is_said_and_changes_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folder_of(tmp_path / "data", ["cat", "dog"])
    given = SMALL_FOLDER | {"epochs": 2, "data_dir": data}
    chosen, none = tmp_path / "chosen", tmp_path / "none"
    monkeypatch.setenv(SHARE, "1")
    assert main(options(chosen, **given, eval_every=2, checkpoint_minutes=1e-6)) == 0
    assert "0 loader processes (chosen for a CPU with 1 core)" in capsys.readouterr().out
    # With a step less done, another machine goes on with other processes.
    newest = sorted((chosen / "checkpoints").glob("step-*.pt"))[-1]
    newest.unlink()
    (chosen / "summary.json").unlink()
    monkeypatch.setattr("worker.engine.plan.usable_cores", lambda: 8)
    assert main(options(chosen, **given, eval_every=2, checkpoint_minutes=1e-6)) == 0
    said = "1 loader process (chosen for a CPU with 8 cores)"
    assert re.search(rf"{re.escape(said)}; .* going on after step 1", capsys.readouterr().out)
    assert said in (chosen / "train.log").read_text()
    summary = json.loads((chosen / "summary.json").read_text())
    assert (summary["loader_processes"], summary["loader"]) == (1, said)
    assert main(options(none, **given, eval_every=2, checkpoint_minutes=1e-6, loader_workers=0)) == 0
    found, expected = (final_state(run / "checkpoints") for run in (chosen, none))
    assert differences(found, expected) == ["/config/loader_workers"]


def test_estimate_measures_and_names_what_would_be_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folder_of(tmp_path / "data", ["cat", "dog"])
    monkeypatch.setattr("worker.engine.estimate.command.usable_cores", lambda: 4)
    settings = {"data_dir": data, "depth": 20, **SMALL_FOLDER}
    assert main(["estimate", "--seconds", "0.5", *(f"--{name}={value}" for name, value in settings.items())]) == 0
    assert re.search(r"images/s with 1 loader process \(chosen for a CPU with 4 cores\)", capsys.readouterr().out)


def test_the_sentence_names_what_it_was_chosen_for() -> None:
    config = tiny(dataset="imagefolder", data_dir="/data", devices=2, batch=256)
    assert str(loader_processes(config, on_gpu=True, cores=16, ranks=2)) == (
        "7 loader processes (chosen for a GPU and 16 cores for 2 ranks)"
    )
    assert str(loader_processes(tiny(loader_workers=1), on_gpu=True, cores=16, ranks=2)) == "1 loader process"
