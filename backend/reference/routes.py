"""GET /schema, /presets."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from typing_extensions import TypedDict

from worker.contract.config import GROUPS, RunConfig
from worker.contract.names import Metric
from worker.contract.presets import PRESETS

router = APIRouter(tags=["reference"])


class SettingsSchema(TypedDict):
    """`schema` is the JSON Schema of a configuration, whose properties also have group, label, unit and advanced."""

    schema: dict[str, Any]
    groups: list[str]
    metrics: list[str]


class PresetView(BaseModel):
    name: str
    title: str
    description: str
    config: dict[str, Any]
    published: str
    source: str


class PresetList(BaseModel):
    """All of them."""

    items: list[PresetView]
    next: None = None


@router.get(
    "/schema", operation_id="get_schema", summary="Every setting of a run, with bounds, units, help and defaults"
)
def get_schema() -> SettingsSchema:
    """The form is built from it. `metrics` are the names under which our own training reports."""
    metrics = [metric.value for metric in Metric]
    return SettingsSchema(schema=_config_schema(), groups=list(GROUPS), metrics=metrics)


@router.get("/presets", operation_id="list_presets", summary="Ready configurations")
def get_presets() -> PresetList:
    """Each says what it is for, and where its settings are from."""
    return PresetList(items=[PresetView(**preset.model_dump(mode="json")) for preset in PRESETS])


@router.get("/openapi.json", include_in_schema=False)
def get_openapi(request: Request) -> JSONResponse:
    app: FastAPI = request.app
    # Where a generated client finds the service, which may lie below a path of a proxy's site.
    return JSONResponse({**app.openapi(), "servers": [{"url": request.scope.get("root_path") or "/"}]})


@cache
def _config_schema() -> dict[str, Any]:
    """With the definitions put where they are referred to, so that a form needs to look nothing up."""
    schema = RunConfig.model_json_schema()
    definitions = schema.pop("$defs", {})
    schema["properties"] = {
        name: _resolved(definition, definitions) for name, definition in schema["properties"].items()
    }
    return schema


def _resolved(part: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref")
    if reference is None:
        return part
    target = definitions[reference.removeprefix("#/$defs/")]
    # The property's own words win over those of the type.
    shape = {name: value for name, value in target.items() if name in ("type", "enum")}
    return shape | {name: value for name, value in part.items() if name != "$ref"}
