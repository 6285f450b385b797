from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from worker.contract.messages import RunKey
from worker.contract.numbers import LARGEST
from worker.contract.status import Desired
from worker.jobs import outbox as outbox_module
from worker.jobs.outbox import Outbox
from worker.jobs.spool import Spool, SpoolHeader, read_spool, spool_paths

HEADER = SpoolHeader(worker_id="w", boot_id="b", run_id="r_1", attempt=2, claim_id="c")


Reader = Callable[[], Outbox]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(Spool.create(tmp_path, HEADER))
    yield made
    made.delete()


@pytest.fixture
def reread(tmp_path: Path) -> Iterator[Reader]:
    """Reads the one spool as the next start of a worker does."""
    made: list[Outbox] = []

    def read() -> Outbox:
        (path,) = spool_paths(tmp_path)
        found = read_spool(path)
        assert found is not None
        made.append(Outbox(*found))
        return made[-1]

    yield read
    for outbox in made:
        outbox.delete()


def key(**changes: Any) -> RunKey:
    return RunKey(**{"run_id": "r_1", "revision": 1, "desired": Desired.RUN, "attempt": 2, "claim_id": "c"} | changes)


def numbers(outbox: Outbox) -> list[int]:
    return [seq for seq, _ in outbox.unsent(limit=1000)]


def send(outbox: Outbox, through: int) -> None:
    outbox.mark_sent({seq: f"{seq}-0" for seq in numbers(outbox) if seq <= through})


def test_messages_are_numbered_without_a_gap(outbox: Outbox) -> None:
    assert [outbox.say("notice", text=str(n)) for n in range(3)] == [1, 2, 3]
    assert numbers(outbox) == [1, 2, 3]


def test_what_is_no_message_of_an_attempt_takes_no_number(outbox: Outbox) -> None:
    for kind, body in [("gossip", {}), ("notice", {}), ("worker_gone", {"worker_id": "w", "boot_id": "b"})]:
        with pytest.raises(ValueError, match=r"\S"):
            outbox.say(kind, **body)
    assert outbox.say("notice", text="first") == 1


def test_what_is_acknowledged_is_neither_sent_nor_kept_in_mind(outbox: Outbox) -> None:
    for text in "abc":
        outbox.say("notice", text=text)
    outbox.read_key(key(ingested_through=2))
    assert numbers(outbox) == [3]
    assert outbox.acknowledged_through == 2


def test_only_a_newer_revision_of_the_key_is_taken_in(outbox: Outbox) -> None:
    outbox.read_key(key(revision=7, desired=Desired.STOP))
    outbox.read_key(key(revision=6, desired=Desired.RUN))
    assert outbox.key is not None
    assert outbox.key.desired is Desired.STOP


def test_another_attempts_acknowledgement_is_not_taken_for_this_ones(outbox: Outbox) -> None:
    outbox.say("notice", text="a")
    outbox.read_key(key(attempt=3, ingested_through=5))
    assert numbers(outbox) == [1]
    assert outbox.is_superseded


def test_an_unanswered_message_is_sent_again_in_its_old_order(outbox: Outbox) -> None:
    for text in "abcd":
        outbox.say("notice", text=text)
    send(outbox, through=3)
    assert outbox.stalled_entry(after_seconds=60) is None
    assert outbox.stalled_entry(after_seconds=0) == "1-0"
    outbox.send_again()
    assert numbers(outbox) == [1, 2, 3, 4]


def test_an_attempt_is_settled_when_its_last_word_is_acknowledged(outbox: Outbox) -> None:
    outbox.say("notice", text="a")
    send(outbox, through=1)
    outbox.read_key(key(ingested_through=1))
    assert not outbox.is_settled
    outbox.say("paused", step=3)
    send(outbox, through=2)
    assert not outbox.is_settled
    outbox.read_key(key(revision=2, ingested_through=2))
    assert outbox.is_settled


@pytest.mark.parametrize(("answer", "deliveries"), [(None, 2), (key(attempt=3), 1)])
def test_an_attempt_of_which_no_key_tells_is_settled_once_its_messages_were_taken(
    outbox: Outbox, answer: RunKey | None, deliveries: int
) -> None:
    outbox.say("stopped", reason="on request")
    if answer is not None:
        outbox.read_key(answer)
    for _ in range(deliveries):
        assert not outbox.is_settled
        send(outbox, through=1)
        outbox.send_again()
    assert outbox.is_settled


def test_a_dropped_attempt_says_nothing_more(outbox: Outbox, tmp_path: Path) -> None:
    outbox.say("notice", text="a")
    outbox.drop()
    outbox.say("notice", text="b")
    assert numbers(outbox) == []
    assert outbox.is_settled
    outbox.delete()
    assert spool_paths(tmp_path) == []


def test_a_spool_read_again_goes_on_with_the_next_number(outbox: Outbox, reread: Reader) -> None:
    outbox.say("notice", text="a")
    outbox.say("metrics", points=[])
    found = reread()
    assert numbers(found) == [1, 2]
    assert not found.is_final
    assert found.say("released", reason="its worker died", crashed=True) == 3
    assert reread().is_final


def test_a_torn_last_line_is_dropped_and_the_next_one_is_whole(outbox: Outbox, tmp_path: Path, reread: Reader) -> None:
    outbox.say("notice", text="a")
    outbox.say("notice", text="b")
    (path,) = spool_paths(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    assert reread().say("notice", text="c") == 2
    assert numbers(reread()) == [1, 2]


@pytest.mark.parametrize("content", [b"", b'{"run_id": "r', b"\xff\xfe\n"])
def test_a_spool_without_a_whole_header_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.1.c.jsonl"
    path.write_bytes(content)
    assert read_spool(path) is None


def test_a_long_spool_shrinks_to_what_is_not_acknowledged(
    outbox: Outbox, tmp_path: Path, reread: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "_COMPACT_BYTES", 10_000)
    for _ in range(100):
        outbox.say("notice", text="x" * 500)
    (path,) = spool_paths(tmp_path)
    outbox.read_key(key(ingested_through=98))
    assert path.stat().st_size < 2000
    assert outbox.say("notice", text="after") == 101
    assert numbers(reread()) == [99, 100, 101]
    outbox.read_key(key(revision=2, ingested_through=101))
    for _ in range(100):
        outbox.say("notice", text="x" * 500)
    outbox.read_key(key(revision=3, ingested_through=201))
    assert reread().say("notice", text="nothing was left") == 202


def test_a_full_disk_costs_the_spool_and_not_the_messages(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        outbox = Outbox(Spool(tmp_path / "spool", HEADER, full))
        assert outbox.say("notice", text="a") == 1
        assert outbox.say("notice", text="b") == 2
        assert numbers(outbox) == [1, 2]
        outbox.delete()


@pytest.mark.parametrize("number", [LARGEST, 10**30])
def test_a_header_with_a_number_beyond_all_is_none(tmp_path: Path, number: int) -> None:
    """The next message's number would be none that a database keeps."""
    header = HEADER.model_dump() | {"begins_after": number}
    (tmp_path / "a.jsonl").write_text(json.dumps(header) + "\n")
    assert read_spool(tmp_path / "a.jsonl") is None


def test_after_a_message_with_a_number_beyond_all_a_spool_can_still_be_ended(
    outbox: Outbox, tmp_path: Path, reread: Reader
) -> None:
    outbox.say("notice", text="first")
    (path,) = spool_paths(tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, json.dumps(json.loads(lines[1]) | {"seq": LARGEST})]) + "\n")
    assert reread().say("released", reason="its worker died", crashed=True) == 2
