"""From a configuration to its dataset."""

from __future__ import annotations

from worker.contract.config import RunConfig
from worker.contract.datasets import DatasetName
from worker.engine.data.errors import DataError
from worker.engine.data.images import Dataset


def open_dataset(config: RunConfig) -> Dataset:
    """Raises DataError where the images are missing, damaged, or too few for a batch."""
    dataset = _opened(config)
    if config.batch > len(dataset.train):
        raise DataError(
            f"batch {config.batch} exceeds the {len(dataset.train)} images of {_where(config)}; "
            f"lower it to {len(dataset.train)} or less"
        )
    return dataset


def _opened(config: RunConfig) -> Dataset:
    """Each kind is imported only when it is asked for: their libraries take seconds."""
    if config.dataset is DatasetName.DIGITS:
        from worker.engine.data import digits

        return digits.load(side=config.image_side)
    assert config.data_dir is not None
    if config.dataset is DatasetName.IMAGEFOLDER:
        from worker.engine.data import folder

        return folder.load(data_dir=config.data_dir, side=config.image_side)
    from worker.engine.data import cifar

    return cifar.load(config.dataset, data_dir=config.data_dir, side=config.image_side)


def _where(config: RunConfig) -> str:
    return f"{config.data_dir}/train" if config.dataset is DatasetName.IMAGEFOLDER else config.dataset.value
