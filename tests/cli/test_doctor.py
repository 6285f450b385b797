"""What the doctor finds, and when it says that something fails."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.running import command_line


def checks(home: Path, **more: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = command_line("doctor", "--json", "--home", str(home), real=True, **more)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)}


def test_a_sound_machine_passes_and_every_part_is_looked_at(tmp_path: Path) -> None:
    code, found = checks(tmp_path)
    assert code == 0
    assert set(found) == {
        *("python", "packages", "torch", "cuda", "device", "redis", "home", "disk", "database", "memory", "service")
    }
    assert not [check for check in found.values() if check["level"] == "FAIL"]
    assert found["torch"]["text"][0].isdigit()


def test_what_fails_has_a_remedy_and_sets_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "resdrop.db").write_text("this is no database, though it is long enough to look like one" * 20)
    code, found = checks(tmp_path, RESDROP_REDIS_URL="redis://:secret@127.0.0.1:9/0")
    assert code == 1
    for name in ("redis", "database"):
        assert found[name]["level"] == "FAIL"
        assert found[name]["remedy"]
    assert "secret" not in json.dumps(found)
