"""What is stored or comes from machines reaches a terminal as text, never as a command to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from backend.db.session import Database
from backend.db.tables import Comparison, LogLine, Run, Worker
from tests.cli.running import RunningUp, command_line

HOSTILE = "a\x1b[2J\x07\x9b31m\x85b\u2028\u202ec\u2066\rd"
SHOWN = r"a\x1b[2J\x07\x9b31m\x85b\u2028\u202ec\u2066\rd"
RAW = frozenset(HOSTILE) - frozenset(SHOWN)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    running = RunningUp(tmp_path_factory.mktemp("service") / "home", WITH_REAL_API="1")
    running.wait_for("ResDrop is ready", seconds=120)
    say(running, "comparisons", "create", "--epochs", "3", "--batch", "64", "--warmup-epochs", "1")
    _make_hostile(running.home)
    yield running
    running.clean_up()


def _make_hostile(home: Path) -> None:
    """As an earlier version stored it, and as a machine may call itself."""
    database = Database(f"sqlite:///{home / 'resdrop.db'}")
    now = datetime.now(UTC)
    with database.write() as session:
        session.execute(select(Comparison)).scalars().one().name = HOSTILE
        for run in session.execute(select(Run)).scalars():
            run.name = run.notes = run.reason = HOSTILE
            run.tags, run.facts = [HOSTILE], {"device": HOSTILE}
            session.add(LogLine(run_id=run.id, attempt=1, at=now, line=f"{HOSTILE}\nsecond\ttab"))
        named = {"host": HOSTILE, "devices": [HOSTILE], "versions": {"torch": HOSTILE}}
        empty = {"boot_id": "b", "root_id": "r", "free_devices": [], "holding": []}
        session.add(Worker(id=HOSTILE, seen_at=now, **named, **empty))
    database.close()


def say(service: RunningUp, *arguments: str) -> str:
    done = command_line(*arguments, real=True, RESDROP_HOME=str(service.home))
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def an_id(service: RunningUp) -> str:
    return str(json.loads(say(service, "runs", "list", "--json"))[0]["id"])


@pytest.mark.parametrize(
    ("command", "is_told"),
    [
        (("runs", "list"), True),
        (("runs", "show", "RUN"), True),
        (("runs", "logs", "RUN"), True),
        (("runs", "launch", "--name", HOSTILE), False),
        (("runs", "show", HOSTILE), False),
        (("runs", "list", "--sort", HOSTILE), False),
        (("comparisons", "list"), True),
        (("comparisons", "show", "COMPARISON"), True),
        (("status",), True),
    ],
)
def test_every_command_shows_it_escaped(service: RunningUp, command: tuple[str, ...], is_told: bool) -> None:
    ids = {"RUN": an_id(service)}
    ids["COMPARISON"] = str(json.loads(say(service, "comparisons", "list", "--json"))[0]["id"])
    said = say(service, *(ids.get(word, word) for word in command))
    assert not RAW & set(said), ascii(said)
    assert (SHOWN in said) or not is_told


def test_json_stays_json_and_says_the_same(service: RunningUp) -> None:
    for command in (("runs", "list"), ("runs", "show", an_id(service)), ("comparisons", "list"), ("status",)):
        said = say(service, *command, "--json")
        assert not RAW & set(said), ascii(said)
        assert HOSTILE in _texts(json.loads(said))


def _texts(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(_texts, parts))
