"""What a ring says, as it lies in the queue."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from worker.contract.config import RunConfig
from worker.contract.messages import CheckpointRef, RunSpec
from worker.contract.rings import NoRing, content_of, deliverable, read_ring, write_ring


def spec(**given: Any) -> RunSpec:
    return RunSpec.model_validate({"run_id": "r_1", "attempt": 1, "name": "a run", "config": {}} | given)


def test_a_ring_never_expires_by_a_time() -> None:
    """An absolute time is another one on a machine whose clock is off."""
    headers = json.loads(write_ring(spec()))["headers"]
    assert headers["expires"] is None
    assert headers["eta"] is None


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"config": {"depth": 56, "sd": True, "pL": 0.8}},
        {"config": {"dataset": "imagefolder", "data_dir": "/data/signs"}},
        {"config": {"dataset": "digits", "data_dir": "/data/signs"}},
        {"attempt": 7, "elapsed_seconds": 12.5, "checkpoints": [CheckpointRef(root_id="r", path="p", step=3)]},
    ],
)
def test_what_is_read_is_what_was_rung(given: dict[str, Any]) -> None:
    rung = spec(**given)
    assert RunSpec.model_validate_json(read_ring(write_ring(rung).encode())) == rung


def test_only_what_differs_from_the_defaults_is_sent() -> None:
    content = content_of(spec(config={"depth": 56, "batch": 256}))
    assert content == {"run_id": "r_1", "attempt": 1, "name": "a run", "config": {"depth": 56}}


def test_all_settings_are_sent_where_a_default_depends_on_another_setting() -> None:
    """A folder without a dataset is taken for class folders."""
    config = RunConfig(dataset="digits", data_dir="/data")
    assert RunConfig.model_validate(content_of(spec(config=config))["config"]) == config


def test_what_is_delivered_holds_the_content_as_text_alone() -> None:
    content = '{"run_id": "r_1", "x": {"__type__": "uuid", "__value__": "?"}}'
    body = json.loads(base64.b64decode(json.loads(deliverable(content))["body"]))
    assert body[:2] == [[], {"ring": content}]


def test_what_is_no_ring_says_why() -> None:
    with pytest.raises(NoRing, match="task 'other' is unknown; workers know 'resdrop"):
        read_ring(write_ring(spec()).replace('"task": "resdrop.train"', '"task": "other"').encode())
    with pytest.raises(NoRing, match="it is no task of Celery's"):
        read_ring(b"garbage")
    with pytest.raises(NoRing, match="nested too deeply"):
        read_ring(b"[" * 100_000)
