"""What holds for every verb of the engine's command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from worker.engine.__main__ import main, verb_modules
from worker.engine.leaving import leaving_at_once

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("verb", [module.__name__.rsplit(".", 1)[1] for module in verb_modules()])
def test_help_comes_without_importing_torch(verb: str) -> None:
    program = "import sys; from worker.engine.__main__ import main\n"
    program += f"try: main(['{verb}', '--help'])\nexcept SystemExit as ended: assert ended.code == 0\n"
    program += "assert 'torch' not in sys.modules\n"
    narrow = os.environ | {"COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=narrow)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    ("typed", "verb", "meant"),
    [
        ("train --out x --epoch 3", "train", "--epochs"),
        ("train --out x --dept=20", "train", "--depth"),
        ("train --out x --pl 0.5", "train", "--pL"),
        ("train --out x --epoch 3 --sead 1", "train", "--epochs and --seed"),
        ("compare --out x --seds 0-4", "compare", "--seeds"),
        ("estimate --second 3", "estimate", "--seconds"),
        ("evaluate --run x --bath 3", "evaluate", "--batch"),
        ("export --run x --format onnx --out x.onnx --normalize-inputs", "export", "--normalize"),
        ("data verify x --worker 2", "data verify", "--workers"),
        ("data prepare imagenet --archives x --out y --no-sum", "data prepare", "--no-sums"),
    ],
)
def test_a_mistyped_option_is_refused_with_what_was_meant(
    capsys: pytest.CaptureFixture[str], typed: str, verb: str, meant: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(typed.split())
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"usage: resdrop {verb} [-h]")
    assert said.endswith(f"; did you mean {meant}?\n")


def test_what_is_like_no_option_is_only_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--out", "x", "y"])
    assert capsys.readouterr().err.endswith("resdrop train: error: unrecognized arguments: y\n")


@pytest.mark.parametrize("verb", ["compare", "estimate"])
def test_a_bad_setting_is_refused_without_importing_torch(verb: str) -> None:
    arguments = [verb, *(["--out", "/nowhere"] if verb == "compare" else []), "--epochs", "0"]
    program = "import sys; from worker.engine.__main__ import main\n"
    program += f"assert main({arguments!r}) == 2\n"
    program += "assert 'torch' not in sys.modules\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("epochs: epochs '0'")


SWALLOWING = """
import os, signal, sys, time
from worker.engine.__main__ import main

class Swallowing:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(5)
            except BaseException:
                print("lost")

sys.meta_path.insert(0, Swallowing())
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--out", "results"],
        ["compare", "--out", "results"],
        ["estimate"],
        ["evaluate", "--run", "results"],
        ["export", "--run", "results", "--format", "onnx", "--out", "x.onnx"],
        ["data", "verify", "."],
    ],
)
def test_ctrl_c_ends_it_even_where_an_import_would_swallow_it(tmp_path: Path, arguments: list[str]) -> None:
    program = f"{SWALLOWING}\nsys.exit(main({arguments!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_loading_is_left_to_whoever_heeds_it() -> None:
    heard = list[int]()
    before = signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))
    try:
        with leaving_at_once():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]
