"""Command-line options derived from RunConfig, for the engine's commands and the service's alike."""

from __future__ import annotations

import argparse
from enum import Enum
from textwrap import fill, wrap
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from worker.contract.config import GROUPS, RunConfig
from worker.contract.presets import PRESETS, Preset
from worker.contract.seeds import SeedsRefused, parse_seeds

UNSET = argparse.SUPPRESS


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Adds one option per field of RunConfig, grouped; underscores and hyphens are both accepted.

    Values stay text: `RunConfig.model_validate` converts and refuses them, so that every edge says the same.
    """
    _end_with(parser, "0 is no and 1 is yes; none makes a setting empty, as in --lr none.")
    groups = {title: parser.add_argument_group(title) for title in GROUPS}
    for name, field in RunConfig.model_fields.items():
        extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        spellings = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
        groups[str(extra["group"])].add_argument(
            *spellings, dest=name, default=UNSET, metavar=_metavar(field), help=_help(field, extra)
        )


def list_presets(parser: argparse.ArgumentParser) -> None:
    """The help ends with what each preset is, and what others report for it."""
    _end_with(parser, "\n".join(["presets:", *map(_told, PRESETS)]))


def _end_with(parser: argparse.ArgumentParser, text: str) -> None:
    parser.formatter_class = _LineByLine
    parser.epilog = f"{parser.epilog}\n\n{text}" if parser.epilog else text


class _LineByLine(argparse.HelpFormatter):
    """Texts keep their line breaks, which argparse would take out; the rest of a long line is indented further.

    Names such as imagenet-resnet50-sd are not broken at a hyphen: one may want to copy them.
    """

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(text, width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = ((line, indent + "    " * line.startswith(" ")) for line in text.splitlines())
        wrapped = (
            fill(line, width, initial_indent=indent, subsequent_indent=hang, break_on_hyphens=False)
            for line, hang in lines
        )
        return "\n".join(wrapped)


def _told(preset: Preset) -> str:
    published = f" Published: {preset.published} ({preset.source})." if preset.published else ""
    return f"  {preset.name}: {preset.title}.{published}"


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Only what was typed, for laying over a preset or the defaults; "none" or an empty text is the default."""
    typed = {name: value for name, value in vars(arguments).items() if name in RunConfig.model_fields}
    return {name: None if value in ("", "none") else value for name, value in typed.items()}


def seeds_option(text: str) -> list[int]:
    """The `type` of an option that names the seeds of a comparison."""
    try:
        return parse_seeds(text)
    except SeedsRefused as refusal:
        raise argparse.ArgumentTypeError(str(refusal)) from None


def _members(field: FieldInfo) -> list[Any]:
    annotation = field.annotation
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [part for part in parts if part is not NoneType]


def _metavar(field: FieldInfo) -> str:
    kind = _members(field)[0]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "{" + ",".join(str(member.value) for member in kind) + "}"
    if get_args(kind):
        return "{" + ",".join(str(value) for value in get_args(kind)) + "}"
    return {bool: "0|1", int: "N", float: "X"}.get(kind, "TEXT")


def _help(field: FieldInfo, extra: dict[str, Any]) -> str:
    unit = f", in {extra['unit']}" if extra["unit"] else ""
    return f"{field.description} (default: {_typed(field.default)}{unit})".replace("%", "%%")


def _typed(default: object) -> str:
    """As it would be given."""
    if isinstance(default, bool):
        return str(int(default))
    return "empty" if default is None else str(default.value if isinstance(default, Enum) else default)
