"""Makes the virtual environment in which everything else runs, and says how far it is.

The launcher runs it with any Python 3.11 or newer that it finds, so it uses the standard library only. An environment
is ready when the copy of each requirements file that stands in its .resdrop folder equals the present one; the copy is
written last, so an interrupted installation is taken up again by the next start.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.process.errors import CommandError
from backend.process.pip_progress import PipFailed, install
from backend.process.system_packages import provide_chromium, provide_nginx
from worker.common.file_lock import exclusive
from worker.common.flock import flock

#: The packages take 6.3 GB; while they are installed, what was downloaded lies beside them.
NEEDED_BYTES = 9_000_000_000
RUNTIME, TESTS = "requirements.txt", "requirements-test.txt"


@dataclass(frozen=True)
class Environment:
    """A virtual environment; `root` holds the requirements files."""

    root: Path
    path: Path

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def notes(self) -> Path:
        """Our own folder in it."""
        return self.path / ".resdrop"

    @property
    def mark(self) -> Path:
        """Stands there when it was made here; an environment of somebody else's is filled, but never removed."""
        return self.notes / "made-by-resdrop"

    @property
    def is_ours(self) -> bool:
        return self.mark.exists()

    @property
    def unfinished(self) -> Path:
        """Stands there while packages are being put in place."""
        return self.notes / "unfinished"

    def is_ready(self, requirements: str) -> bool:
        try:
            return (self.notes / requirements).read_bytes() == (self.root / requirements).read_bytes()
        except OSError:
            return False


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--browser", action="store_true")
    wanted = parser.parse_args(arguments)
    environment = Environment(wanted.root, wanted.venv.absolute())
    try:
        with _alone(environment):
            _provide_or_explain(environment, [RUNTIME, TESTS] if wanted.tests else [RUNTIME])
        if wanted.browser:
            provide_chromium(environment.python, say=_say)
            provide_nginx(say=_say)
    except CommandError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("Interrupted; the next start takes it up again.")
        return 130
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _alone(environment: Environment) -> Iterator[None]:
    """Two launchers at once: the second waits for the first and then finds everything done.

    The lock is on the folder around the environment, which stays when the environment is made anew.
    """
    around = environment.path.parent
    try:
        around.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(around, os.O_RDONLY)
    except OSError as error:
        raise _not_writable(environment.path, error) from error
    try:
        with _locked(descriptor, environment):
            yield
    finally:
        os.close(descriptor)


def _not_writable(path: Path, error: OSError) -> CommandError:
    return CommandError(
        f"Python's packages cannot be put into {path} ({error.strerror}); "
        "name a folder that you can write to in RESDROP_VENV."
    )


@contextlib.contextmanager
def _locked(descriptor: int, environment: Environment) -> Iterator[None]:
    """By a file beside the environment where folders cannot be locked, as on NFS, or nothing can."""

    def tell(_: object = None) -> None:
        _say("Another start is installing the packages; waiting for it.")

    try:
        if not flock(descriptor):
            tell()
            flock(descriptor, wait=True)
    except OSError:
        beside = environment.path.with_name(f".{environment.path.name}.lock")
        with exclusive(beside, wait=tell):
            yield
        return
    yield


def _provide_or_explain(environment: Environment, files: Sequence[str]) -> None:
    try:
        _provide(environment, files)
    except OSError as error:
        raise _not_writable(environment.path, error) from error


def _provide(environment: Environment, files: Sequence[str]) -> None:
    missing = [name for name in files if not environment.is_ready(name)]
    if environment.python.exists() and not missing:
        return
    began = time.monotonic()
    _make(environment)
    for name in missing:
        (environment.notes / name).unlink(missing_ok=True)
    environment.unfinished.touch()
    try:
        install(environment.python, environment.root, files, log=environment.notes / "install.log", say=_say)
    except PipFailed as failure:
        if not failure.had_begun:
            environment.unfinished.unlink()
        raise
    environment.unfinished.unlink()
    for name in files:
        shutil.copyfile(environment.root / name, environment.notes / name)
    _say(f"Everything is installed, after {time.monotonic() - began:.0f} s.")


def _make(environment: Environment) -> None:
    """An environment with pip in it; one of ours that was left half-made or half-filled is made anew."""
    if environment.is_ours and (environment.unfinished.exists() or not environment.python.exists()):
        _say("The last installation did not finish; starting it afresh.")
        shutil.rmtree(environment.path)
    elif environment.python.exists():
        environment.notes.mkdir(exist_ok=True)
        return
    elif environment.path.exists() and any(environment.path.iterdir()):
        raise CommandError(f"{environment.path} is no Python environment; name a new folder in RESDROP_VENV.")
    _check_python()
    _check_disk(environment.path)
    _say(f"Making the Python environment in {environment.path}; this is needed once and takes some minutes.")
    _say("torch with its CUDA libraries is the greatest part: about 2.5 GB to download, 6.3 GB on the disk.")
    _create(environment)


def _check_python() -> None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise CommandError(
            f"{sys.executable} lacks the venv module: install it (on Debian and Ubuntu: "
            f"apt-get install python{version}-venv), or name another Python in RESDROP_PYTHON."
        )


def _check_disk(path: Path) -> None:
    free = shutil.disk_usage(path if path.exists() else path.parent).free
    if free < NEEDED_BYTES:
        raise CommandError(
            f"{path.parent} has {free / 1e9:.1f} GB free and the Python packages need {NEEDED_BYTES / 1e9:.0f} GB: "
            "make room, or name a folder on another disk in RESDROP_VENV."
        )


def _create(environment: Environment) -> None:
    """Raises CommandError with the last thing that Python said of it."""
    environment.notes.mkdir(parents=True)
    environment.mark.touch()
    environment.unfinished.touch()
    command = [sys.executable, "-m", "venv", str(environment.path)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        said = (made.stderr or made.stdout).strip().splitlines() or [f"exit status {made.returncode}"]
        raise CommandError(f"The environment in {environment.path} could not be made: {said[-1]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
