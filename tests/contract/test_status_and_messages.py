from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from worker.contract.messages import MESSAGE, MetricBatch, Point
from worker.contract.status import TRANSITIONS, Actor, Desired, RunStatus, is_allowed, shown_status

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_completed_is_final() -> None:
    assert not any(before is RunStatus.COMPLETED for before, _ in TRANSITIONS)


def test_a_failed_run_can_be_resumed() -> None:
    assert is_allowed(RunStatus.FAILED, RunStatus.QUEUED, Actor.API)


def test_only_the_controller_grants_a_claim() -> None:
    assert TRANSITIONS[(RunStatus.QUEUED, RunStatus.STARTING)] == {Actor.CONTROLLER}


def test_no_status_changes_into_itself() -> None:
    assert all(before is not after for before, after in TRANSITIONS)


@pytest.mark.parametrize(
    ("status", "desired", "shown"),
    [
        (RunStatus.RUNNING, Desired.RUN, "running"),
        (RunStatus.RUNNING, Desired.PAUSE, "pausing"),
        (RunStatus.STARTING, Desired.STOP, "stopping"),
        (RunStatus.COMPLETED, Desired.PAUSE, "completed"),
        (RunStatus.QUEUED, Desired.RUN, "queued"),
    ],
)
def test_a_wish_that_is_under_way_is_shown(status: RunStatus, desired: Desired, shown: str) -> None:
    assert shown_status(status, desired) == shown


def test_a_message_survives_json_and_infinity_becomes_null() -> None:
    point = Point(step=3, epoch=0.5, elapsed_seconds=1.0, at=NOW, values={"train/loss": float("inf"), "lr": 0.1})
    message = MetricBatch(run_id="r", attempt=1, claim_id="c", at=NOW, seq=1, points=[point])
    read = MESSAGE.validate_json(message.model_dump_json())
    assert isinstance(read, MetricBatch)
    assert read.points[0].values == {"train/loss": None, "lr": 0.1}


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="kind"):
        MESSAGE.validate_python({"kind": "gossip"})


def test_a_newer_speakers_extra_field_is_passed_over() -> None:
    read = MESSAGE.validate_python({"kind": "worker_gone", "worker_id": "w", "boot_id": "b", "at": NOW, "mood": "fine"})
    assert not hasattr(read, "mood")
