"""No number that travels exceeds what a database keeps, in whatever model a later version puts it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from worker.contract.messages import MESSAGE, Held, RunKey, RunSpec
from worker.contract.numbers import LARGEST, LARGEST_BYTES
from worker.jobs.spool import SpoolHeader
from worker.jobs.wire import REPORT

TRAVELLING: list[TypeAdapter[Any]] = [MESSAGE, REPORT, *map(TypeAdapter, (RunKey, RunSpec, SpoolHeader))]


def integers(schema: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every whole number in a JSON schema, with the names that lead to it."""
    if isinstance(schema, list):
        for item in schema:
            yield from integers(item, name)
    elif isinstance(schema, dict):
        if schema.get("type") == "integer" and "enum" not in schema:
            yield name, schema
        for key, value in schema.items():
            yield from integers(value, f"{name}.{key}")


@pytest.mark.parametrize("model", TRAVELLING)
def test_every_whole_number_has_bounds_that_a_database_keeps(model: TypeAdapter[Any]) -> None:
    found = dict(integers(model.json_schema()))
    assert found
    for name, schema in found.items():
        assert schema.get("minimum", -1) >= 0, name
        assert schema.get("maximum", LARGEST_BYTES + 1) <= LARGEST_BYTES, name


@pytest.mark.parametrize("model", [Held, RunKey, SpoolHeader])
def test_an_attempt_beyond_the_largest_is_refused(model: type[BaseModel]) -> None:
    told = {"run_id": "r", "claim_id": "c", "revision": 1, "desired": "run", "worker_id": "w", "boot_id": "b"}
    assert model.model_validate(told | {"attempt": LARGEST})
    for number in (-1, LARGEST + 1, 10**30):
        with pytest.raises(ValidationError, match="attempt"):
            model.model_validate(told | {"attempt": number})
