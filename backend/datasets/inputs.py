"""What a client says of a folder that it registers, and the bounds of it."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from backend.runs.inputs import Body, Name
from worker.contract.config import RunConfig
from worker.contract.datasets import DATASETS, DatasetName
from worker.contract.errors import field_errors

MAX_SLUG = 64
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _is_slug(value: str) -> str:
    """It stands in addresses and on command lines, where it must need no quoting."""
    if not _SLUG.fullmatch(value):
        raise PydanticCustomError(
            "slug", "Take lower case letters and digits, with single hyphens between them, such as street-signs-2"
        )
    return value


Slug = Annotated[str, Field(max_length=MAX_SLUG), AfterValidator(_is_slug)]


class NewDataset(Body):
    """A name for a folder. `data_dir` is a path on the training machines, which need not be this one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "street-signs", "dataset": "imagefolder", "data_dir": "/data/signs", "title": "Signs"}
            ]
        }
    )

    name: Slug
    title: Name = ""
    dataset: DatasetName
    data_dir: str

    @model_validator(mode="after")
    def _is_a_folder_that_a_run_could_name(self) -> Self:
        if not DATASETS[self.dataset].needs_data_dir:
            kinds = ", ".join(kind.value for kind, facts in DATASETS.items() if facts.needs_data_dir)
            text = f"dataset {self.dataset.value!r} comes without a folder; register one of {kinds}"
            raise _refused("dataset", text)
        try:
            RunConfig.model_validate({"dataset": self.dataset, "data_dir": self.data_dir})
        except ValidationError as error:
            # The first is enough: the rest of the configuration is defaults.
            field, sentences = next(iter(field_errors(error).items()))
            raise _refused(field, sentences[0]) from error
        return self


def _refused(field: str, text: str) -> PydanticCustomError:
    return PydanticCustomError("setting", "{text}", {"text": text, "field": field})
