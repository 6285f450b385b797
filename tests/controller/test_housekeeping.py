"""What is written down and thrown away without being asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from backend.controller.housekeeping import CHANGES_KEPT
from backend.db.changes import current_change, note_change
from backend.db.tables import Change, ChangeCounter, ControllerPulse, IdempotencyKey, Worker
from tests.controller.world import World


def test_a_pulse_is_written_every_round(world: World) -> None:
    world.step()
    (first,) = world.rows(ControllerPulse)
    world.step(seconds=6)
    (second,) = world.rows(ControllerPulse)
    assert first.seen_at < second.seen_at
    assert datetime.now(UTC) - second.seen_at < timedelta(seconds=5)


def test_the_newest_changes_are_kept(world: World) -> None:
    with world.database.write() as session:
        note_change(session, "run", "r_old")
        session.execute(update(ChangeCounter).values(value=CHANGES_KEPT + 1))
        session.add(Change(number=2, kind="run", subject="r_newer", detail={}))
    world.step()
    assert [change.subject for change in world.rows(Change)] == ["r_newer"]
    with world.database.read() as session:
        assert current_change(session) == CHANGES_KEPT + 1


def test_what_is_older_than_a_day_is_forgotten(world: World) -> None:
    now = datetime.now(UTC)
    device = {"boot_id": "b", "host": "h", "root_id": "r", "devices": [], "free_devices": [], "holding": []}
    with world.database.write() as session:
        for name, age in (("old", 25), ("new", 23)):
            at = now - timedelta(hours=age)
            session.add(IdempotencyKey(key=name, path="/runs", request_sha256="0", created_id="r_1", created_at=at))
            session.add(Worker(id=name, seen_at=at, gone=True, versions={}, **device))
    world.step()
    assert [item.key for item in world.rows(IdempotencyKey)] == ["new"]
    assert [item.id for item in world.rows(Worker)] == ["new"]


def test_a_controller_without_anything_to_do_takes_no_numbers(world: World) -> None:
    world.step(30, seconds=1)
    with world.database.read() as session:
        assert current_change(session) == 0
        assert session.execute(select(func.count()).select_from(Change)).scalar_one() == 0
