"""Whether every arm can be trained here, before the first of them is."""

from __future__ import annotations

from collections.abc import Sequence

from worker.contract.config import RunConfig
from worker.engine.data.open import cached_as_asked, described, list_images
from worker.engine.execution import device_of
from worker.engine.leaving import leaving_at_once


def checked_images(configs: Sequence[RunConfig]) -> list[str]:
    """What is trained on, and the caches that are asked for made. Raises DataError and DeviceUnavailable."""
    found = []
    for config in _one_for_each_dataset(configs):
        # Nothing is written while a folder is listed, which can take long.
        with leaving_at_once():
            dataset = list_images(config)
        found.append(described(cached_as_asked(dataset, config), config))
    for config in configs:
        device_of(config)
    return list(dict.fromkeys(found))


def _one_for_each_dataset(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """Of the arms that train on the same images the one with the largest batch, which takes the most of them."""
    found: dict[tuple[object, ...], RunConfig] = {}
    for config in configs:
        images = (config.dataset, config.data_dir, config.image_side, config.cache_side)
        if images not in found or config.batch > found[images].batch:
            found[images] = config
    return list(found.values())
