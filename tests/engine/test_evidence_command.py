"""`resdrop evidence`: a verdict on numbers from anywhere, refusals with the option's name, and no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TABLE = "arm,seed,value\n" + "".join(
    f"baseline,{seed},{90 + 0.1 * seed}\nsd,{seed},{91 + 0.1 * seed + gain}\n"
    for seed, gain in enumerate((0.0, 0.2, -0.1, 0.1, 0.3, 0.05))
)


def evidence(
    *options: str, stdin: str | bytes | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    found = subprocess.run(
        [sys.executable, "-m", "worker.engine", "evidence", *options],
        input=data,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=120,
        check=False,
    )
    return subprocess.CompletedProcess(found.args, found.returncode, found.stdout.decode(), found.stderr.decode())


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "results.csv"
    path.write_text(TABLE)
    return path


def test_the_sentence_comes_first_and_the_numbers_after_it(table: Path) -> None:
    found = evidence(str(table))
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[0].startswith("better: sd is better than baseline: a difference of +1.09 (95 % interval ")
    assert lines[3].split()[:4] == ["arm", "-", "reference", "seeds"]
    assert lines[4].startswith("sd - baseline")


def test_the_whole_verdict_is_json(table: Path) -> None:
    found = evidence(str(table), "--json", "--stopping", "sequential", "--max-seeds", "20")
    verdict = json.loads(found.stdout)
    assert verdict["conclusion"] == "better"
    assert verdict["rule"] == {
        "question": "difference", "margin": None, "stopping": "sequential", "max_seeds": 20, "confidence": 0.95,
    }  # fmt: skip
    (contrast,) = verdict["contrasts"]
    assert [look["seed"] for look in contrast["looks"]] == [0, 1, 2, 3, 4, 5]


def test_every_option_changes_what_is_asked(table: Path) -> None:
    assert evidence(str(table), "--lower-is-better").stdout.startswith("worse: ")
    assert evidence(str(table), "--reference", "sd").stdout.startswith("worse: baseline is worse than sd")
    inferiority = evidence(str(table), "--question", "non_inferiority", "--margin", "0.2")
    assert inferiority.stdout.startswith("not_inferior: sd is not worse than, and at least ")
    assert evidence(str(table), "--planned", "3").stdout.startswith("undecided: No claim can be made")
    assert "99 % interval" in evidence(str(table), "--confidence", "0.99").stdout


def test_standard_input_is_a_file_too() -> None:
    assert evidence("-", stdin=TABLE).stdout.startswith("better: ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--margin", "0.3"], "--margin: margin belongs to the question non_inferiority"),
        (["--question", "non_inferiority"], "--margin: non_inferiority needs a margin above 0"),
        (["--max-seeds", "4"], "--max-seeds: max_seeds belongs to sequential stopping"),
        (["--confidence", "95"], "--confidence: confidence '95' exceeds 0.9999"),
        (["--confidence", "high"], "--confidence: confidence 'high' is not a number"),
        (["--reference", "plain"], "reference 'plain' is no arm of the table"),
        (["--planned", "none"], "'none' is no whole number above 0"),
        (["--stoping", "fixed"], "--stopping"),
    ],
)
def test_what_is_refused_is_named(table: Path, options: list[str], sentence: str) -> None:
    found = evidence(str(table), *options)
    assert found.returncode == 2
    assert sentence in found.stderr
    assert found.stdout == ""


def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    for name, content in (("none.csv", None), ("folder", None), ("image.csv", b"\xff\xfe\x00"), ("empty.csv", b"")):
        path = tmp_path / name
        if name == "folder":
            path.mkdir()
        elif content is not None:
            path.write_bytes(content)
        found = evidence(str(path))
        assert found.returncode == 2
        assert len(found.stderr.splitlines()) == 1, found.stderr
        assert "Traceback" not in found.stderr


def test_a_name_in_the_file_does_not_command_the_terminal(table: Path) -> None:
    table.write_text(TABLE.replace("sd,", "s\x1b[2Jd,"))
    assert "\x1b" not in evidence(str(table)).stdout


def test_nothing_of_torch_is_loaded(table: Path) -> None:
    code = (
        "import sys; from worker.engine.__main__ import main; "
        f"assert main(['evidence', {str(table)!r}]) == 0; assert 'torch' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert found.returncode == 0, found.stderr
