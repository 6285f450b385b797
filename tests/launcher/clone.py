"""A copy of the launcher beside requirements of our own, so that nothing is fetched from anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
#: What the launcher needs of the system besides Python.
TOOLS = ("sh", "dirname", "readlink", "cmp", "cat")
REAL_PYTHON = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
_SAYS_HOW_IT_WAS_CALLED = """#!/bin/sh
printf '[%s] ' "$@"
printf '\\n%s\\n%s\\n' "$PWD" "$PYTHONPATH"
"""


class Launcher:
    """`resdrop` in a folder of its own, run with exactly the PATH and environment that a test gives it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "clone"
        self.root.mkdir()
        shutil.copy(REPOSITORY / "resdrop", self.root)
        for name in ("backend", "worker"):
            (self.root / name).symlink_to(REPOSITORY / name)
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        self.path = folder / "bin"
        self.path.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, f"this machine lacks {tool}"
            (self.path / tool).symlink_to(found)
        self.require(one="1.0")

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    def require(self, **packages: str) -> None:
        """Pins packages that do nothing, and makes them."""
        pins = [f"{name}=={version}" for name, version in packages.items()]
        (self.root / "requirements.txt").write_text("\n".join(pins) + "\n")
        for name, version in packages.items():
            _write_wheel(self.wheels, name, version)

    def put_on_path(self, name: str, script: str | None = None) -> None:
        """A program of the PATH: `script`, or the Python that runs these tests."""
        program = self.path / name
        program.write_text(script or REAL_PYTHON)
        program.chmod(0o755)

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return {"PATH": str(self.path), "HOME": str(self.root), **pip, **more}

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.root / "resdrop"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(more),
            start_new_session=True,
        )

    def run(self, *arguments: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return self.run_as(self.root / "resdrop", *arguments, cwd=cwd, **more)

    def run_as(
        self, program: Path, *arguments: str, cwd: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs it by another name of its."""
        return subprocess.run(
            [str(program), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=cwd,
            env=self.environment(more),
        )

    def pretend_ready(self, python: str = _SAYS_HOW_IT_WAS_CALLED) -> None:
        """An environment as if just made, whose Python is a script: by default one that says how it was called."""
        (self.venv / "bin").mkdir(parents=True)
        program = self.venv / "bin" / "python"
        program.write_text(python)
        program.chmod(0o755)
        (self.venv / ".resdrop").mkdir()
        (self.root / "requirements-test.txt").write_text("# none\n")
        for name in ("requirements.txt", "requirements-test.txt"):
            shutil.copy(self.root / name, self.venv / ".resdrop")


def _write_wheel(folder: Path, name: str, version: str) -> None:
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", f"{name}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
