"""How long `up` takes until the first page answers, and what the launcher adds to a command.

    resdrop bench startup [--runs 5]

Medians of several starts, each in a fresh home, with the environment in place.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.service import REPOSITORY, Service


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="resdrop bench startup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="starts to time (default: %(default)s)")
    runs = parser.parse_args(arguments).runs
    pages = [first_page() for _ in range(runs)]
    print(f"up, until the first page: median {statistics.median(pages):.2f} s, {min(pages):.2f} to {max(pages):.2f}")
    through = [timed([str(REPOSITORY / "resdrop"), "runs", "--help"]) for _ in range(runs)]
    straight = [timed([sys.executable, "-m", "backend.cli", "runs", "--help"]) for _ in range(runs)]
    added = statistics.median(through) - statistics.median(straight)
    print(f"launcher: adds {added * 1000:.0f} ms to a command of {statistics.median(straight) * 1000:.0f} ms")
    return 0


def first_page() -> float:
    """Seconds from the start of `up` to the first answer of the page."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder) / "home")
        begin = time.monotonic()
        try:
            service.start()
            return time.monotonic() - begin
        finally:
            service.stop()


def timed(command: list[str]) -> float:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "RESDROP_VENV": sys.prefix}
    begin = time.monotonic()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begin
