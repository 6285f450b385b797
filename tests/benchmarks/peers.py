"""What a benchmark needs beyond the application: the systems that it compares with, and a browser's driver."""

from __future__ import annotations

import subprocess
import sys
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[2] / "requirements-test.txt"


def install(module: str) -> None:
    """At the version that the tests have, where it is not there yet."""
    if find_spec(module) is not None:
        return
    print(f"installing {module}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-r", str(REQUIREMENTS)], check=True)
    invalidate_caches()
