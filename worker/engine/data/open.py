"""From a configuration to its dataset."""

from __future__ import annotations

from dataclasses import replace

from worker.contract.config import RunConfig
from worker.contract.datasets import CLASS_FOLDERS, DATASETS, DatasetName
from worker.engine.data.errors import DataError
from worker.engine.data.images import Dataset


def open_dataset(config: RunConfig) -> Dataset:
    """Raises DataError where the images are missing, damaged, or too few for a batch.

    With `cache_side` it makes the cache where that is not whole, which can take long and says so on standard error.
    """
    return cached_as_asked(list_images(config), config)


def list_images(config: RunConfig) -> Dataset:
    """`open_dataset` without the cache: nothing is written, so it may be ended anywhere. Raises DataError."""
    dataset = _opened(config)
    if config.batch > len(dataset.train):
        raise DataError(
            f"batch {config.batch} exceeds the {len(dataset.train)} images of {_where(config)}; "
            f"lower it to {len(dataset.train)} or less"
        )
    return dataset


def cached_as_asked(dataset: Dataset, config: RunConfig) -> Dataset:
    """With its training images from the cache, where `config` wants one. Raises DataError."""
    return dataset if config.cache_side is None else _cached(dataset, config, config.cache_side)


def described(dataset: Dataset, config: RunConfig) -> str:
    """What is trained on, for a person to see whether it is what was meant."""
    place = f" in {config.data_dir}" if DATASETS[config.dataset].needs_data_dir else ""
    return (
        f"{config.dataset.value}{place}: {len(dataset.train):,} training and {len(dataset.val):,} validation images "
        f"of {len(dataset.classes)} classes, at {config.image_side} px"
    )


def _opened(config: RunConfig) -> Dataset:
    """Each kind is imported only when it is asked for: their libraries take seconds."""
    if config.dataset is DatasetName.DIGITS:
        from worker.engine.data import digits

        return digits.load(side=config.image_side)
    assert config.data_dir is not None
    if config.dataset is DatasetName.IMAGEFOLDER:
        from worker.engine.data import folder

        return folder.load(config.dataset, data_dir=config.data_dir, side=config.image_side)
    if config.dataset in CLASS_FOLDERS:
        from worker.engine.data import imagenet

        return imagenet.load(config.dataset, data_dir=config.data_dir, side=config.image_side)
    from worker.engine.data import cifar

    return cifar.load(config.dataset, data_dir=config.data_dir, side=config.image_side)


def _cached(dataset: Dataset, config: RunConfig, cache_side: int) -> Dataset:
    if config.dataset not in CLASS_FOLDERS:
        notice = f"cache_side does nothing for {config.dataset.value}, whose images are held in memory"
        return replace(dataset, notices=(*dataset.notices, notice))
    from worker.engine.data import cache

    return cache.with_cached_training(dataset, cache_side=cache_side)


def _where(config: RunConfig) -> str:
    return f"{config.data_dir}/train" if config.dataset in CLASS_FOLDERS else config.dataset.value
