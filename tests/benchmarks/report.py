"""How a benchmark tells its figures: a table on the screen, a file for machines, and where they were measured."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch

GIB = 2**30


def machine() -> dict[str, object]:
    """What the figures hold for."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": version("torchvision"),
    }


def machine_line() -> str:
    found = machine()
    device = f", {found['gpu']}" if found["gpu"] else ""
    return (
        f"{found['cpu']}, {found['cores']} cores, {found['memory_gib']} GiB{device}; "
        f"Python {found['python']}, torch {found['torch']}, torchvision {found['torchvision']}"
    )


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column is of words and the others of numbers."""
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [headings, *rows]
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])


def write_json(path: Path | None, name: str, figures: dict[str, object]) -> None:
    """Does nothing without a path."""
    if path is None:
        return
    whole = {"benchmark": name, "command": shlex.join(sys.argv), "machine": machine(), "figures": figures}
    path.write_text(json.dumps(whole, indent=2) + "\n")
    print(f"\nwritten to {path}")


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
