"""Names of files and classes reach a terminal as text, never as a command to it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.miniature import image_bytes

HOSTILE = "a\x1b[2J\x9b31m\u202eb"
SHOWN = r"a\x1b[2J\x9b31m\u202eb"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split in ("train", "val"):
        for name in ("cats", f"{HOSTILE}-{split}"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "0.JPEG").write_bytes(image_bytes(len(name)))
    (tmp_path / "train" / "cats" / f"{HOSTILE}.JPEG").write_bytes(b"no image")
    return tmp_path


def on_a_terminal(*arguments: str) -> str:
    """What a person would be sent, colours and cursor movements included."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "worker.engine", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        said += part
    process.wait()
    os.close(ours)
    return said.decode()


@pytest.mark.parametrize(
    "command",
    [
        ("data", "verify", "FOLDER", "--workers", "1"),
        ("train", "--out", "OUT", "--dataset", "imagefolder", "--data_dir", "FOLDER"),
        ("data", "verify", f"/no/such/{HOSTILE}"),
        ("train", "--out", "OUT", "--preset", HOSTILE),
    ],
)
def test_hostile_names_are_shown_escaped(folder: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    places = {"FOLDER": str(folder), "OUT": str(tmp_path / "out")}
    said = on_a_terminal(*(places.get(word, word) for word in command))
    assert SHOWN in said or ascii(HOSTILE)[1:-1] in said, ascii(said)
    own = said.replace("\r\x1b[2K", "").replace("\r\n", "\n")
    assert not set(own) & {"\x1b", "\x9b", "\u202e", "\r"}, ascii(own)
