"""Refused input is told in sentences of our own, whatever pydantic found at fault."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from tests.support.validation import FRAGMENTS, KINDS, as_item, assert_in_own_words
from worker.contract.config import RunConfig
from worker.contract.errors import field_errors, sentences_by_field

#: One of each JSON type, and texts that stand for none or for too much.
ODD: list[Any] = [
    *(None, True, False, -1, 0, 1.5, 10**30, float("nan"), float("inf"), -float("inf")),
    *("", "x", "ten", "0,1", "9" * 4301, "x" * 5000, "\0", "\ud800", [], [1], ["x"], {}, {"a": 1}, b"\xff"),
]


def test_the_fragments_are_those_that_users_saw() -> None:
    seen = {"field required", "extra inputs are not permitted", "value error,", "input should be a valid integer"}
    assert all(any(fragment.startswith(text) for fragment in FRAGMENTS) for text in seen)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", ["epochs", "name", "flip", ""])
def test_every_kind_of_error_is_told_in_our_own_words(kind: str, field: str) -> None:
    ((named, (sentence,)),) = sentences_by_field([as_item(kind, field=field, value="one")]).items()
    assert named == field
    assert_in_own_words(sentence)
    assert sentence[0].islower()


@pytest.mark.parametrize("name", RunConfig.model_fields)
def test_no_setting_is_refused_in_pydantics_words(name: str) -> None:
    for value in ODD:
        try:
            RunConfig.model_validate({name: value})
        except ValidationError as error:
            found = field_errors(error)
            assert_in_own_words(str(found))
            assert any(name in sentence for sentences in found.values() for sentence in sentences)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"epochs": "ten"}, "epochs 'ten' is not a whole number; give one from 1 to 10000"),
        ({"epochs": ""}, "epochs '' is not a whole number; give one from 1 to 10000"),
        ({"epochs": None}, "epochs null is not a whole number; give one from 1 to 10000"),
        ({"epochs": 2.5}, "epochs 2.5 is not a whole number; give one from 1 to 10000"),
        ({"epochs": 0}, "epochs 0 is below 1; give 1 or more"),
        ({"epochs": 20_000}, "epochs 20000 exceeds 10000; give 10000 or less"),
        ({"lr": "0,1"}, "lr '0,1' is not a number; give one above 0 and at most 100"),
        ({"lr": float("nan")}, "lr NaN is not a finite number; give one above 0 and at most 100"),
        ({"pL": 0}, "pL 0 is not above 0; give more than 0"),
        ({"momentum": 1}, "momentum 1 is not below 1; give less than 1"),
        ({"clip_grad": []}, "clip_grad [] is not a number; give one above 0"),
        ({"flip": "perhaps"}, "flip 'perhaps' is neither yes nor no; give true or false"),
        ({"sd_mode": "rows"}, "sd_mode 'rows' is not one of those there are; take 'batch', 'row' or 'subset'"),
        ({"data_dir": 5}, "data_dir 5 is not a text; send one, in quotes as JSON has it"),
        ({"data_dir": "/" * 4097}, "data_dir has 4097 characters; give at most 4096"),
    ],
)
def test_a_sentence_names_value_limit_and_remedy(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RunConfig.model_validate(settings)
    assert field_errors(caught.value) == {next(iter(settings)): [sentence]}


class Sent(BaseModel):
    tags: Annotated[list[str], Field(min_length=1, max_length=2)]
    name: str

    @field_validator("name")
    @classmethod
    def _is_good(cls, name: str) -> str:
        if name == "bad":
            raise ValueError("Take a good one")
        return name


@pytest.mark.parametrize(
    ("sent", "field", "sentence"),
    [
        ({"tags": ["a"]}, "name", "name is required; give it"),
        ({"tags": ["a"], "name": "bad"}, "name", "name 'bad': take a good one"),
        ({"tags": ["a", "b", "c"], "name": "x"}, "tags", "tags has 3 entries; give at most 2"),
        ({"tags": [], "name": "x"}, "tags", "tags has 0 entries; give at least 1"),
        ({"tags": "a", "name": "x"}, "tags", "tags 'a' is not a list; send one, in brackets as JSON has it"),
        ([], "", "this [] is not an object; send one with its fields by name, in braces as JSON has it"),
    ],
)
def test_models_of_requests_are_told_of_alike(sent: object, field: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Sent.model_validate(sent)
    assert field_errors(caught.value) == {field: [sentence]}


@pytest.mark.parametrize("text", ["0-4", "00-5", "0-0", "1_0", "1e400", "٣"])
def test_a_text_that_people_would_not_read_as_a_whole_number_is_none(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RunConfig.model_validate({"seed": text})
    assert field_errors(refused.value)["seed"][0].startswith(f"seed {text!r} is not a whole number; give one from 0")


def test_a_number_with_an_underscore_is_none() -> None:
    with pytest.raises(ValidationError) as refused:
        RunConfig.model_validate({"lr": "1_0"})
    assert field_errors(refused.value) == {"lr": ["lr '1_0' is not a number; give one above 0 and at most 100"]}
