"""How settings have to fit together, and what is allowed and probably not meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from worker.contract.datasets import DATASETS, DatasetName
from worker.contract.text import text_fault

if TYPE_CHECKING:
    from worker.contract.config import RunConfig

#: Batch norm cannot be taken over a single image's single pixel.
SMALLEST_PART = 2
SD_DETAILS = ("sd_mode", "sd_dropped", "sd_scale", "sd_transitions")

#: The field that a sentence is about, and the sentence.
Complaint = tuple[str, str]


def counted(number: int, thing: str) -> str:
    """1 epoch, 2 epochs, 2 micro-batches."""
    ending = "es" if thing.endswith("batch") else "s"
    return f"{number} {thing}{'' if number == 1 else ending}"


def conflicts(config: RunConfig) -> Iterator[Complaint]:
    """Everything that keeps these settings from being trained with."""
    yield from _of_images(config)
    yield from _of_optimisation(config)
    yield from _of_sizes(config)


def _of_images(config: RunConfig) -> Iterator[Complaint]:
    facts, data_dir = DATASETS[config.dataset], config.data_dir
    if facts.needs_data_dir and data_dir is None:
        yield "data_dir", f"{config.dataset.value} needs data_dir, the folder that holds the images"
    if data_dir is not None and not data_dir.startswith("/"):
        yield "data_dir", f"data_dir {data_dir!r} is not an absolute path; begin it with /"
    fault = text_fault(data_dir) if data_dir is not None else None
    if fault is not None:
        yield "data_dir", f"data_dir {data_dir!r}: {fault}, or name a link to the folder"
    if facts.train_images is not None and config.batch > facts.train_images:
        yield (
            "batch",
            f"batch {config.batch} exceeds the {facts.train_images} training images of {config.dataset.value}; "
            f"lower it to {facts.train_images} or less",
        )


def _of_optimisation(config: RunConfig) -> Iterator[Complaint]:
    parts = config.devices * config.accumulation
    if config.batch % parts or config.batch // parts < SMALLEST_PART:
        yield "batch", _indivisible(config, parts)
    if config.nesterov and config.momentum == 0:
        yield "nesterov", "nesterov needs a momentum above 0; give one, or turn nesterov off"
    if config.min_lr > config.peak_lr:
        yield (
            "min_lr",
            f"min_lr {config.min_lr:g} exceeds the learning rate {config.peak_lr:g}; lower it below that",
        )


def _of_sizes(config: RunConfig) -> Iterator[Complaint]:
    side, smallest = config.image_side, 32 if config.depth.is_bottleneck else 8
    if config.cache_side is not None and config.cache_side < side:
        yield "cache_side", f"cache_side {config.cache_side} is below image_size {side}; take {side} or more"
    if side < smallest:
        yield (
            "image_size",
            f"image_size {side} is too small for depth {int(config.depth)}; take {smallest} or more",
        )
    elif config.sd and config.sd_mode == "subset" and config.depth.is_bottleneck and side == smallest:
        yield (
            "sd_mode",
            f"sd_mode subset at image_size {side} leaves batch norm a single pixel where one image is kept; take "
            f"image_size {smallest + 1} or more, or another mode",
        )


def _indivisible(config: RunConfig, parts: int) -> str:
    shared = f"{counted(config.devices, 'device')} x {counted(config.accumulation, 'micro-batch')}"
    nearest = max(SMALLEST_PART, round(config.batch / parts)) * parts
    return (
        f"batch {config.batch} cannot be shared equally by {shared} with at least {SMALLEST_PART} images each; "
        f"take {nearest}, or another multiple of {parts}"
    )


def doubts(config: RunConfig) -> Iterator[str]:
    """In sentences for the person who asked for it."""
    if config.warmup_epochs >= config.epochs:
        yield (
            f"warmup_epochs {config.warmup_epochs:g} is not below epochs {config.epochs}: "
            "the learning rate never gets past its warmup"
        )
    yield from _of_odd_images(config)
    yield from _of_stochastic_depth(config)


def trained_settings(config: RunConfig) -> dict[str, Any]:
    """All but the seed, with the defaults of those that do nothing beside the others: equal ones train the same."""
    settings = config.model_dump(mode="json", exclude={"seed"})
    fields = type(config).model_fields
    without = [] if DATASETS[config.dataset].needs_data_dir else ["data_dir"]
    if not config.sd or config.pL == 1:
        without += ["sd", "pL", *SD_DETAILS]
    return settings | {name: fields[name].default for name in without}


def _of_odd_images(config: RunConfig) -> Iterator[str]:
    depth, side = int(config.depth), config.image_side
    if not config.depth.is_bottleneck and side > 64:
        yield f"depth {depth} is a network for 32 px images; at {side} px it is slow, take 50, 101 or 152"
    if config.depth.is_bottleneck and side < 64:
        yield (
            f"depth {depth} is a network for 224 px images, and these of {config.dataset.value} have {side} px; "
            "take 20, 32, 44, 56 or 110, or name other images with dataset and data_dir"
        )
    if config.data_dir is not None and not DATASETS[config.dataset].needs_data_dir:
        yield (
            f"data_dir {config.data_dir} does nothing with dataset {config.dataset.value}; take it out, or name the "
            "folder's dataset"
        )
    if config.dataset is DatasetName.DIGITS and config.flips:
        yield "flip mirrors the digits, which are not mirror-symmetric; accuracy will suffer"


def _of_stochastic_depth(config: RunConfig) -> Iterator[str]:
    fields = type(config).model_fields
    if not config.sd and any(getattr(config, name) != fields[name].default for name in SD_DETAILS):
        yield f"{', '.join(SD_DETAILS)} do nothing while sd is off"
    if config.sd and config.pL == 1:
        yield "with pL 1 no block is ever skipped: sd does nothing; lower pL, 0.5 is the paper's"
    elif config.sd and config.bn_reestimate == 0 and config.epochs < 30:
        yield (
            f"with sd and only {counted(config.epochs, 'epoch')}, batch-norm statistics gathered at random depth "
            "mislead the evaluation; bn_reestimate 20 mends it"
        )
