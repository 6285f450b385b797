"""In what two configurations differ, as far as it matters to a run that goes on."""

from __future__ import annotations

from collections.abc import Mapping

from worker.contract.config import RunConfig

#: Settings that may change between two attempts, because they do not change a result.
FREE = frozenset({"loader_workers", "checkpoint_minutes"})


def differing_settings(before: Mapping[str, object], config: RunConfig) -> list[str]:
    """As "lr was 0.1 and is 0.2", for every setting that matters.

    `before` is a configuration as JSON values; a setting that did not exist when it was written had its default.
    """
    earlier = {**RunConfig().model_dump(mode="json"), **before}
    after = config.model_dump(mode="json")
    names = [name for name in after if name not in FREE and earlier[name] != after[name]]
    return [f"{name} was {_shown(earlier[name])} and is {_shown(after[name])}" for name in names]


def _shown(value: object) -> str:
    return "the default" if value is None else str(value)
