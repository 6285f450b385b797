from __future__ import annotations

import json
import os
import re
import stat
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors
import safetensors.torch
import torch

from tests.engine.parts import TINY, InterruptAfter, Recorder, attempt, tiny
from tests.engine.small_folders import SMALL_FOLDER, folder_of
from worker.engine.__main__ import main
from worker.engine.data.digits import load as load_digits
from worker.engine.data.images import Normalise
from worker.engine.export import formats
from worker.engine.resnet import build
from worker.engine.restored import Restored, Source

with warnings.catch_warnings():
    # What timm and its dependencies warn of while they are imported is theirs.
    warnings.simplefilter("ignore")
    import timm


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SD without re-estimated batch norm, so that what is exported is what is in the checkpoint."""
    out = tmp_path_factory.mktemp("run")
    settings = TINY | {"bn_reestimate": 0, "ema": 0.8}
    assert main(["train", "--out", str(out), *(f"--{name}={value}" for name, value in settings.items())]) == 0
    return out


def expected(run: Path, images: torch.Tensor, **source: Any) -> np.ndarray[Any, Any]:
    """The original's logits of raw validation images."""
    dataset = load_digits(side=8)
    with torch.no_grad():
        logits = Restored(Source(run=run, **source), {}).network()(Normalise(dataset, torch.device("cpu"))(images))
    return logits.numpy()


def raw_images(count: int) -> torch.Tensor:
    return load_digits(side=8).val.plain(np.arange(count)).images.contiguous()


def test_onnx_answers_as_the_original_for_any_number_of_bytes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "network.onnx"
    assert main(["export", "--run", str(run), "--format", "onnx", "--out", str(out), "--normalise"]) == 0
    said = capsys.readouterr().out
    assert "random images: largest difference" in said
    assert "real images: largest difference" in said
    assert "uint8 [batch, 3, 8, 8] -> [batch, 10]" in said
    onnx.checker.check_model(str(out), full_check=True)
    facts = {prop.key: prop.value for prop in onnx.load(out).metadata_props}
    assert json.loads(facts["classes"]) == [str(digit) for digit in range(10)]
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    for count in (1, 5, 360):
        images = raw_images(count)
        (logits,) = session.run(None, {"images": images.numpy()})
        np.testing.assert_allclose(logits, expected(run, images), atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["network.onnx"]


def test_torch_export_answers_as_the_original(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "network.pt2"
    arguments = ["export", "--run", str(run), "--format", "torch_export", "--out", str(out), "--batch", "3"]
    assert main([*arguments, "--weights", "raw"]) == 0
    facts = {formats.FACTS: ""}
    network = torch.export.load(out, extra_files=facts).module()
    images = raw_images(3)
    with torch.no_grad():
        logits = network(Normalise(load_digits(side=8), torch.device("cpu"))(images).contiguous()).numpy()
    np.testing.assert_allclose(logits, expected(run, images, weights="raw"), atol=1e-5)
    assert np.abs(logits - expected(run, images, weights="ema")).max() > 1e-3
    assert json.loads(facts[formats.FACTS])["weights"] == "raw"


@pytest.mark.parametrize("name", ["onnx", "torch_export"])
@pytest.mark.parametrize("settings", [{"depth": 50, "image_size": 32}, {"depth": 20, "sd_scale": "train"}])
def test_every_network_can_be_exported(tmp_path: Path, name: str, settings: dict[str, Any]) -> None:
    attempt(tiny(**settings), tmp_path / "checkpoints", sink=Recorder(), control=InterruptAfter(0))
    out = tmp_path / f"network{formats.FORMATS[name].suffix}"
    source = ["--checkpoint", str(tmp_path / "checkpoints" / "step-00000000.pt")]
    assert main(["export", *source, "--format", name, "--out", str(out), "--running_stats"]) == 0
    assert out.exists()


def test_what_is_exported_is_what_was_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [f"--{name}={value}" for name, value in TINY.items()]
    assert main(["train", "--out", str(tmp_path / "run"), *settings]) == 0
    (own,) = {
        json.loads((tmp_path / "run" / "summary.json").read_text())["latest"]["val/top1"],
    }
    capsys.readouterr()
    found = {}
    for extra in ([], ["--running_stats"]):
        out = tmp_path / "network.onnx"
        source = ["export", "--run", str(tmp_path / "run"), "--format", "onnx", "--out", str(out)]
        assert main([*source, "--normalise", *extra]) == 0
        val = load_digits(side=8).val
        batch = val.plain(np.arange(len(val)))
        session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
        (logits,) = session.run(None, {"images": batch.images.contiguous().numpy()})
        found[bool(extra)] = 100 * float((logits.argmax(1) == batch.labels.numpy()).mean())
    assert found[False] == pytest.approx(own)
    assert "batch norm taken again over 2" in capsys.readouterr().out


@pytest.mark.parametrize("name", formats.FORMATS)
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_the_umask_says_who_may_read_the_file(run: Path, tmp_path: Path, name: str, umask: int, mode: int) -> None:
    out = tmp_path / f"network{formats.FORMATS[name].suffix}"
    before = os.umask(umask)
    try:
        assert main(["export", "--run", str(run), "--format", name, "--out", str(out)]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == mode


def test_a_file_that_answers_otherwise_is_not_kept(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "network.onnx"
    arguments = ["export", "--run", str(run), "--format", "onnx", "--out", str(out), "--tolerance", "0"]
    assert main(arguments) == 1
    assert "differ from the original's by up to" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_absent_packages_are_one_sentence_with_the_remedy(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main(["export", "--run", str(run), "--format", "onnx", "--out", str(tmp_path / "x.onnx")]) == 2
    assert capsys.readouterr().err == "export as onnx needs onnxscript; pip install onnxscript\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--format", "onnx", "--out", "x.pt2"], "let its name end with .onnx"),
        (["--format", "torch_export", "--out", "/nowhere/x.pt2"], "there is no folder /nowhere"),
        (["--format", "torch_export", "--out", "x.pt2", "--run", "/nowhere"], "holds no sound checkpoint"),
        (["--format", "torch_export", "--out", "/proc/x.pt2"], "/proc/x.pt2 cannot be written"),
        (["--format", "torch_export", "--out", "folder.pt2"], "--out folder.pt2 is a folder; give a file"),
    ],
)
def test_bad_input_is_named(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    (tmp_path / "folder.pt2").mkdir()
    monkeypatch.chdir(tmp_path)
    source = [] if "--run" in arguments else ["--run", str(run)]
    assert main(["export", *source, *arguments]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("extra", [["--batch", "0"], ["--batch", "many"], ["--tolerance", "2"], ["--format", "tflite"]])
def test_what_the_parser_refuses_exits_with_two(extra: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", "--run", "r", "--format", "onnx", "--out", "x.onnx", *extra])
    assert ended.value.code == 2


def test_images_that_are_away_are_told_or_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folder_of(tmp_path / "data", ["cat", "dog"])
    config = tiny(**SMALL_FOLDER, data_dir=str(data))
    attempt(config, tmp_path / "checkpoints", sink=Recorder(), control=InterruptAfter(0))
    data.rename(tmp_path / "away")
    out = tmp_path / "x.pt2"
    source = ["--checkpoint", str(tmp_path / "checkpoints" / "step-00000000.pt")]
    arguments = ["export", *source, "--format", "torch_export", "--out", str(out)]
    assert main(arguments) == 0
    assert "not checked on real images: data_dir" in capsys.readouterr().out
    assert main([*arguments, "--normalise"]) == 2
    assert "--normalise takes its mean and deviation from them" in capsys.readouterr().err


@pytest.mark.parametrize("changes", [{"sd": True}, {"sd": True, "sd_scale": "train"}, {"sd": False, "ema": 0.5}])
def test_timm_loads_the_weights_and_computes_what_the_run_evaluates(tmp_path: Path, changes: dict[str, Any]) -> None:
    settings = tiny(depth=50, image_size=64, bn_reestimate=0, **changes)
    attempt(settings, tmp_path / "checkpoints", sink=Recorder(), control=InterruptAfter(0))
    checkpoint, out = tmp_path / "checkpoints" / "step-00000000.pt", tmp_path / "network.safetensors"
    arguments = ["export", "--checkpoint", str(checkpoint), "--format", "safetensors", "--out", str(out)]
    assert main(arguments) == 0
    theirs = timm.create_model("resnetv2_50", pretrained=False, num_classes=10)
    theirs.load_state_dict(safetensors.torch.load_file(out), strict=True)
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        original = Restored(Source(checkpoint=checkpoint), {}).network()
        torch.testing.assert_close(theirs.eval()(images), original(images), rtol=1e-4, atol=1e-4)
    with safetensors.safe_open(out, framework="pt") as file:
        facts = file.metadata()
    assert (facts["architecture"], json.loads(facts["classes"])[:2]) == ("resnetv2_50", ["0", "1"])
    assert len(json.loads(facts["mean"])) == 3


def test_weights_of_a_cifar_network_keep_their_names(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "network.safetensors"
    assert main(["export", "--run", str(run), "--format", "safetensors", "--out", str(out)]) == 0
    network = build(depth=20, num_classes=10)
    network.load_state_dict(safetensors.torch.load_file(out), strict=True)
    images = Normalise(load_digits(side=8), torch.device("cpu"))(raw_images(5))
    with torch.no_grad():
        np.testing.assert_allclose(network.eval()(images).numpy(), expected(run, raw_images(5)), atol=1e-4)


@pytest.mark.parametrize("option", [["--normalise"], ["--batch", "4"]])
def test_weights_alone_take_no_options_of_a_program(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    out = tmp_path / "x.safetensors"
    assert main(["export", "--run", str(run), "--format", "safetensors", "--out", str(out), *option]) == 2
    assert f"{option[0]} is of a program, and safetensors holds weights alone" in capsys.readouterr().err


def test_what_the_page_on_loading_says_works_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "loading-weights.md").read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(programs) == 2
    attempt(tiny(depth=50, image_size=32, bn_reestimate=0), tmp_path, sink=Recorder(), control=InterruptAfter(0))
    (tmp_path / "step-00000000.pt").rename(tmp_path / "last.pt")
    source = ["export", "--checkpoint", str(tmp_path / "last.pt"), "--format", "safetensors"]
    assert main([*source, "--out", str(tmp_path / "sd.safetensors")]) == 0
    monkeypatch.chdir(tmp_path)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        original = Restored(Source(checkpoint=tmp_path / "last.pt"), {}).network()(images)
        for program in programs:
            names: dict[str, Any] = {}
            exec(program, names)
            torch.testing.assert_close(names["network"](images), original, rtol=1e-4, atol=1e-4)
