"""Messages that cannot be taken in: they are set aside and counted, and take nothing else with them."""

from __future__ import annotations

import json
import sqlite3

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from backend.controller import handlers, ingest
from backend.controller.identities import Identities
from backend.controller.stream import Entry
from backend.db.tables import Attempt, ControllerPulse, LogLine, Metric, Run, SetAside
from tests.controller.world import ScriptedWorker, World, now_text, point, started
from worker.contract.names import ENVELOPE, MESSAGES_STREAM, SET_ASIDE_KEY

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)


def set_aside(world: World) -> list[SetAside]:
    return world.rows(SetAside)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "null",
        '{"kind": "riddle"}',
        '{"kind": "claim", "run_id": 7}',
        '{"run_id": ' + "[" * 100_000,
        '{"kind": "worker_seen", "worker_id": "w"}',
        b"\xff\xfe\x00binary",
        '{"kind": "notice", "text": "' + "x" * 50_000,
    ],
)
def test_what_is_no_message_is_set_aside_and_its_neighbours_come_through(
    world: World, worker: ScriptedWorker, text: str | bytes
) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.points(1)
    world.say_text(text)
    training.points(2)
    world.step()
    assert [step for step, _ in world.curve(run_id)] == [1, 2]
    assert world.waiting_messages() == 0
    (kept,) = set_aside(world)
    assert kept.why
    assert len(kept.message) <= 10_000


def test_an_entry_of_another_shape_is_set_aside(world: World, worker: ScriptedWorker) -> None:
    world.redis.xadd(MESSAGES_STREAM, {"something": "else"})
    worker.seen()
    world.step()
    (kept,) = set_aside(world)
    assert json.loads(kept.message) == {"something": "else"}
    assert world.worker("w1")


def test_messages_of_unknown_runs_are_set_aside(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    stranger = worker.claim("r_unknown", attempt=1)
    stranger.say("started", **started())
    training.points(1)
    world.step()
    assert [item.why for item in set_aside(world)] == ["there is no run r_unknown"] * 2
    assert [step for step, _ in world.curve(run_id)] == [1]


#: Refused by the contract, or only by the database, which takes the whole transaction back then.
REFUSED = [
    ("notice", {"text": "half a \ud800 pair"}),
    ("metrics", {"points": [point(1) | {"epoch": float("inf")}]}),
    ("metrics", {"points": [point(10**30, **{"train/loss": 1.0})]}),
    ("started", started(10**30)),
    ("checkpoint", {"root_id": "r", "path": "p", "step": 10**30, "epoch": 1.0, "size_bytes": 1, "sha256": "0",
                    "elapsed_seconds": 1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body"), REFUSED)
def test_a_message_that_is_refused_takes_no_other_with_it_and_leaves_no_gap(
    world: World, worker: ScriptedWorker, kind: str, body: dict
) -> None:
    run_id, other = world.add_run(), world.add_run()
    training, elsewhere = worker.train(run_id), worker.claim(other)
    elsewhere.say("started", **started())
    training.points(1)
    training.say(kind, **body)
    training.points(2)
    training.say("completed", step=2, elapsed_seconds=1.0)
    world.step()
    assert [step for step, _ in world.curve(run_id)] == [1, 2]
    assert world.run(run_id).status == "completed"
    assert world.run(other).status == "running"
    assert len(set_aside(world)) == 1
    assert world.waiting_messages() == 0


def many_held(count: int, name: str = "r") -> list[dict[str, object]]:
    return [{"run_id": f"{name}_{number}", "attempt": 1, "claim_id": "c"} for number in range(count)]


def test_a_worker_that_holds_more_than_any_can_is_set_aside(world: World, worker: ScriptedWorker) -> None:
    worker.seen(holding=many_held(260_000))
    ScriptedWorker(world, "w2").seen(holding=many_held(1000))
    world.step()
    assert len(set_aside(world)) == 1
    assert world.waiting_messages() == 0
    assert len(world.worker("w2").holding) == 1000


def test_more_runs_than_one_statement_takes_are_looked_up_in_portions(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    entries = [Entry(str(number), json.dumps(_seen(number))) for number in range(70)]
    told = [Entry("last", json.dumps(_seen(70) | {"holding": [training.holder]}))]
    with world.database.read() as session:
        batch = ingest._Batch(session, [ingest.parse(entry) for entry in entries + told], Identities(world.clock))
    assert set(batch._runs) == {run_id}


def _seen(number: int) -> dict[str, object]:
    who = {"kind": "worker_seen", "worker_id": f"w{number}", "boot_id": "b", "host": "h", "root_id": "root-1"}
    return who | {"devices": [], "free_devices": [], "holding": many_held(1000, f"r{number}"), "at": now_text()}


def test_a_message_that_exceeds_a_limit_of_the_database_is_no_reason_to_wait_for_it(
    world: World, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)

    def ask_too_much(speaker: handlers.Speaker, _: object) -> None:
        speaker.session.execute(select(Run).where(Run.id.in_([str(number) for number in range(300_000)])))

    monkeypatch.setitem(handlers._HANDLERS, handlers.Notice, ask_too_much)
    training.say("notice", text="boo")
    training.points(1)
    world.step()
    assert [step for step, _ in world.curve(run_id)] == [1]
    (kept,) = set_aside(world)
    assert "OperationalError" in kept.why
    assert len(kept.why) < 2000


def test_a_database_that_is_busy_loses_no_message(
    world: World, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)

    def fail(*_: object) -> None:
        raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))

    with monkeypatch.context() as patched:
        patched.setitem(handlers._HANDLERS, handlers.Notice, fail)
        training.say("notice", text="boo")
        with pytest.raises(OperationalError):
            world.step()
    world.step()
    assert set_aside(world) == []
    assert ("notice", "boo") in world.history(run_id)


#: What a message may say of itself, and what not even setting it aside may depend on.
NUMBERS = [-1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**30, 10**400]


@pytest.mark.parametrize("name", ["attempt", "seq", "step", "run_id", "claim_id"])
def test_no_number_of_a_message_holds_up_its_neighbours(world: World, worker: ScriptedWorker, name: str) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    paused = training.holder | {"kind": "paused", "seq": 2, "step": 1, "at": worker.now_text()}
    for number in NUMBERS:
        world.say_text(json.dumps(paused | {name: number}))
    for number in NUMBERS:
        world.say_text(json.dumps(paused | {"kind": "of a newer version", name: number}))
    training.points(1)
    world.step(2)
    assert world.waiting_messages() == 0
    if name in ("attempt", "run_id", "claim_id"):
        assert [step for step, _ in world.curve(run_id)] == [1]


@pytest.mark.parametrize("name", ["revision", "attempt", "acknowledged_through"])
@pytest.mark.parametrize("number", NUMBERS)
def test_no_number_of_what_a_worker_holds_holds_up_others(
    world: World, worker: ScriptedWorker, name: str, number: int
) -> None:
    run_id, other = world.add_run(), world.add_run()
    training = worker.train(run_id)
    worker.tell_holding(training.holder | {"is_granted": True, name: number})
    ScriptedWorker(world, "w2").claim(other)
    world.step(2)
    assert world.waiting_messages() == 0
    assert world.run(other).status == "starting"


def test_a_message_whose_envelope_breaks_everything_is_set_aside_without_it(
    world: World, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a version would that forgot a bound."""
    run_id = world.add_run()
    training = worker.train(run_id)

    def explode(*_: object) -> None:
        raise OverflowError("too large for SQL")

    monkeypatch.setattr("backend.controller.ingest._Batch._next_of", explode)
    world.say_text(json.dumps(training.holder | {"kind": "notice", "text": "", "seq": 2, "at": worker.now_text()}))
    worker.seen(unavailable_reason="its disk is full")
    world.step()
    assert world.waiting_messages() == 0
    assert [item.why for item in set_aside(world)] == ["OverflowError: too large for SQL"]


def test_a_kind_that_a_newer_worker_speaks_leaves_no_gap(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.say("gradient_histogram", bins=[1, 2])
    training.points(1)
    world.step()
    assert [step for step, _ in world.curve(run_id)] == [1]
    assert world.run(run_id).ingested_through == 3
    training.send(2, 2)
    world.step()
    assert len(set_aside(world)) == 1


def test_what_was_set_aside_is_counted_in_the_pulse(world: World) -> None:
    for _ in range(3):
        world.say_text("not json")
    world.step()
    world.step(seconds=6)
    world.step(seconds=6)
    (pulse,) = world.rows(ControllerPulse)
    assert pulse.set_aside == 3


def test_only_the_newest_are_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.controller.set_aside.KEPT", 30)
    pipeline = world.redis.pipeline()
    for number in range(200):
        pipeline.xadd(MESSAGES_STREAM, {ENVELOPE: f"nonsense {number}"})
    pipeline.execute()
    world.step(2)
    assert [item.message for item in set_aside(world)] == [f"nonsense {number}" for number in range(170, 200)]


def test_a_broken_invariant_is_one_message_s_affair(
    world: World, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a handler raises: the message is set aside, the rest is not."""
    run_id = world.add_run()
    training = worker.train(run_id)

    def explode(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setitem(handlers._HANDLERS, handlers.Notice, explode)
    training.points(1)
    training.say("notice", text="boo")
    training.points(2)
    world.step()
    assert len(world.rows(Metric)) == 2
    assert [item.why for item in set_aside(world)] == ["RuntimeError: a bug"]
    assert world.rows(Attempt)[0].ingested_through == 4


def test_a_nul_in_a_text_is_no_reason_to_refuse_it(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.say("log", lines=["with \0 in it"])
    training.say("failed", reason="died of \0")
    world.step()
    assert (world.run(run_id).status, world.run(run_id).reason) == ("failed", "died of �")
    assert [item.line for item in world.rows(LogLine)] == ["with � in it"]
    assert set_aside(world) == []


def test_a_metric_under_a_name_that_is_not_kept_costs_no_other(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    odd = ["=cmd()", "a,b", "two\nlines", "x" * 65, "\u202eloss", "", "nul\0"]
    values = dict.fromkeys(odd, 1.0) | {"train/loss": 2.0}
    training.say("metrics", points=[point(1, **values), point(2, **{"train/loss": 3.0})])
    training.points(3)
    world.step()
    assert world.curve(run_id) == [(1, 2.0), (2, 3.0), (3, 3.0)]
    assert {metric.name for metric in world.rows(Metric, Metric.run_id == run_id)} == {"train/loss"}
    assert set(world.run(run_id).latest) == {"train/loss"}
    (kept,) = set_aside(world)
    assert "metric name '=cmd()' is not kept; take 1 to 64 of letters" in kept.why


def test_what_a_worker_found_in_the_queue_of_rings_is_kept_and_counted(world: World, worker: ScriptedWorker) -> None:
    world.step()
    worker.refuse("it is no task of Celery's", ring="garbage")
    world.step(2, seconds=6)
    (kept,) = set_aside(world)
    assert (kept.why, kept.message) == ("in the queue of rings: it is no task of Celery's", "garbage")
    (pulse,) = world.rows(ControllerPulse)
    assert pulse.set_aside == 1


def test_a_key_of_another_kind_in_the_place_of_the_stream_is_moved_aside(world: World, worker: ScriptedWorker) -> None:
    world.redis.set(MESSAGES_STREAM, "no stream")
    world.step()
    assert world.redis.get(SET_ASIDE_KEY + MESSAGES_STREAM) == "no stream"
    (kept,) = set_aside(world)
    assert "was a string and no stream" in kept.why
    worker.seen()
    world.step()
    assert world.worker("w1")


LAST_ID = "18446744073709551615-18446744073709551615"


@pytest.mark.parametrize("waiting", [0, 500])
def test_a_stream_that_takes_nothing_more_is_moved_aside_once_it_is_read(
    world: World, worker: ScriptedWorker, waiting: int
) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.points(*range(1, waiting + 1))
    pipeline = world.redis.pipeline()
    for number in range(waiting):
        pipeline.xadd(MESSAGES_STREAM, {ENVELOPE: f"nonsense {number}"})
    pipeline.execute()
    world.redis.xadd(MESSAGES_STREAM, {ENVELOPE: "x"}, id=LAST_ID)
    world.step(5, seconds=3)
    assert len(world.curve(run_id)) == waiting
    assert world.redis.type(SET_ASIDE_KEY + MESSAGES_STREAM) == "stream"
    assert [item.why for item in set_aside(world) if "last possible id" in item.why] == [
        "the stream resdrop:messages had come to its last possible id; "
        "it was renamed to resdrop:set-aside:resdrop:messages"
    ]
    training.points(waiting + 1)
    world.step()
    assert len(world.curve(run_id)) == waiting + 1


@pytest.mark.parametrize("length", [61, 64, 65, 3_000_000])
def test_an_id_of_megabytes_is_told_by_its_beginning_and_makes_no_key(
    world: World, worker: ScriptedWorker, length: int
) -> None:
    stranger = worker.claim("x" * length, attempt=1)
    stranger.say("gradient_histogram", bins=[])
    worker.refuse("y" * length)
    stranger.say("metrics", points=[point(1) | {"values": {"z" * length: "no number"}}])
    world.step()
    kept = set_aside(world)
    assert len(kept) == 4
    assert all(letter * 61 not in item.why for item in kept for letter in "xyz")
    names = [key for key in world.redis.keys("resdrop:run:*") if "x" in key]
    assert len(names) == (1 if length <= 64 else 0)
