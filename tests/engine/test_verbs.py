"""What holds for every verb of the engine's command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from worker.engine.__main__ import VERBS


@pytest.mark.parametrize("verb", [module.__name__.rsplit(".", 1)[1] for module in VERBS])
def test_help_comes_without_importing_torch(verb: str) -> None:
    program = "import sys; from worker.engine.__main__ import main\n"
    program += f"try: main(['{verb}', '--help'])\nexcept SystemExit as ended: assert ended.code == 0\n"
    program += "assert 'torch' not in sys.modules\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


@pytest.mark.parametrize("verb", ["compare", "estimate"])
def test_a_bad_setting_is_refused_without_importing_torch(verb: str) -> None:
    arguments = [verb, *(["--out", "/nowhere"] if verb == "compare" else []), "--epochs", "0"]
    program = "import sys; from worker.engine.__main__ import main\n"
    program += f"assert main({arguments!r}) == 2\n"
    program += "assert 'torch' not in sys.modules\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("epochs: epochs '0'")
