"""`export`: a checkpoint's network as a file that runs without this program, checked against the original."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from worker.contract import VERSION
from worker.engine import execution
from worker.engine.atomic import check_writable
from worker.engine.checkpoint import CheckpointDamaged, CheckpointMismatch
from worker.engine.data.errors import DataError
from worker.engine.data.images import Dataset, Normalise
from worker.engine.data.open import open_dataset
from worker.engine.export.formats import FORMATS, FormatUnavailable, Run
from worker.engine.keys import generator
from worker.engine.outcome import DeviceUnavailable
from worker.engine.plan import Plan
from worker.engine.precision import Precision
from worker.engine.resnet import ResNet
from worker.engine.restored import NothingToRestore, Restored, Source

BAD_INPUT, FAILED = 2, 1
CPU = torch.device("cpu")
#: An open batch is tried with these.
BATCHES = (1, 2, 7)
BYTE = 256


class NotTheSame(RuntimeError):
    """The written network answers otherwise than the original."""


@dataclass(frozen=True)
class Wish:
    """`batch` is None where it stays open. `tolerance` is of the largest logit, or of 1 where all are smaller."""

    format: str
    out: Path
    batch: int | None
    normalise: bool
    running_stats: bool
    tolerance: float


def run(source: Source, changes: Mapping[str, object], wish: Wish) -> int:
    """The exit code: 2 for what cannot be exported, 1 where the file's outputs are not the original's."""
    try:
        FORMATS[wish.format].refuse_if_absent(wish.format)
        _refuse_wish(wish)
        restored = Restored(source, {**changes, **({"bn_reestimate": 0} if wish.running_stats else {})})
        dataset = _images(restored, wish)
        network = _original(restored, dataset, wish)
        _write_checked(network, restored, dataset, wish)
    except (DataError, DeviceUnavailable, CheckpointDamaged, CheckpointMismatch, NothingToRestore) as refusal:
        print(refusal, file=sys.stderr)
        return BAD_INPUT
    except FormatUnavailable as refusal:
        print(refusal, file=sys.stderr)
        return BAD_INPUT
    except NotTheSame as difference:
        print(difference, file=sys.stderr)
        return FAILED
    return 0


class _FromBytes(nn.Module):
    """uint8 images, as a decoder gives them, through the run's own normalisation."""

    mean: Tensor
    scale: Tensor

    def __init__(self, network: ResNet, dataset: Dataset) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(dataset.mean).view(1, 3, 1, 1) * 255.0)
        self.register_buffer("scale", 1.0 / (torch.tensor(dataset.std).view(1, 3, 1, 1) * 255.0))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network((images.float() - self.mean) * self.scale)
        return logits


def _refuse_wish(wish: Wish) -> None:
    suffix = FORMATS[wish.format].suffix
    for option, is_given in (("--normalise", wish.normalise), ("--batch", wish.batch is not None)):
        if is_given and not FORMATS[wish.format].is_program:
            raise NothingToRestore(f"{option} is of a program, and {wish.format} holds weights alone; leave it out")
    if wish.out.suffix != suffix:
        raise NothingToRestore(f"--out {wish.out} is for {wish.format}; let its name end with {suffix}")
    if not wish.out.parent.is_dir():
        raise NothingToRestore(f"--out {wish.out}: there is no folder {wish.out.parent}; make it first")
    if wish.out.is_dir():
        raise NothingToRestore(f"--out {wish.out} is a folder; give a file")
    try:
        check_writable(wish.out)
    except OSError as error:
        raise NothingToRestore(f"--out {wish.out} cannot be written: {error.strerror}; give another") from error


def _images(restored: Restored, wish: Wish) -> Dataset | None:
    """None where they are not here and not needed."""
    try:
        dataset = open_dataset(restored.config)
    except DataError as error:
        needs = [
            *(["--normalise takes its mean and deviation from them"] if wish.normalise else []),
            *(
                ["the run's bn_reestimate needs them (--running_stats goes without)"]
                if restored.config.bn_reestimate
                else []
            ),
        ]
        if needs:
            raise DataError(f"{error}; {'; '.join(needs)}") from error
        print(f"not checked on real images: {error}")
        return None
    restored.refuse_other_classes(dataset.classes)
    return dataset


def _original(restored: Restored, dataset: Dataset | None, wish: Wish) -> nn.Module:
    """On the CPU, in full precision and in evaluation mode."""
    model = restored.network()
    if dataset is not None and restored.config.bn_reestimate:
        settled = execution.settle(restored.config, recorded_threads=restored.checkpoint.threads)
        plan, precision = Plan(restored.config, dataset, settled), Precision(settled.amp, settled.device)
        on_device = model.to(device=settled.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        model = restored.reestimated(on_device, plan=plan, precision=precision)
    model.to(device=CPU, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    model.requires_grad_(False)
    if not wish.normalise:
        return model
    assert dataset is not None
    return _FromBytes(model, dataset).eval()


def _write_checked(network: nn.Module, restored: Restored, dataset: Dataset | None, wish: Wish) -> None:
    """The file appears under its name only once it has given the original's outputs. Raises NotTheSame."""
    kind = FORMATS[wish.format]
    partial = wish.out.with_name(f"{wish.out.stem}.partial{wish.out.suffix}")
    # An exporter takes an example of one image for a batch that is always one.
    example = _random(restored, wish, images=wish.batch or 2)
    try:
        kind.write(network, example, wish.batch is None, _facts(restored, dataset, wish), partial)
        written = kind.opened(partial)
        told = [
            _compared(name, network, written, inputs, wish.tolerance)
            for name, inputs in _inputs(restored, dataset, wish)
        ]
        partial.replace(wish.out)
    finally:
        partial.unlink(missing_ok=True)
    _tell(restored, wish, told)


def _inputs(restored: Restored, dataset: Dataset | None, wish: Wish) -> Iterator[tuple[str, list[Tensor]]]:
    sizes = BATCHES if wish.batch is None else (wish.batch,)
    yield "random", [_random(restored, wish, images=images) for images in sizes]
    if dataset is not None:
        yield "real", [_real(dataset, wish, images=images) for images in sizes]


def _random(restored: Restored, wish: Wish, *, images: int) -> Tensor:
    shape = (images, 3, restored.config.image_side, restored.config.image_side)
    draws = generator("export", images)
    if wish.normalise:
        return torch.randint(BYTE, shape, generator=draws, dtype=torch.uint8)
    return torch.randn(shape, generator=draws)


def _real(dataset: Dataset, wish: Wish, *, images: int) -> Tensor:
    """The first validation images, from the beginning again where there are too few."""
    pixels = dataset.val.plain(np.arange(images) % len(dataset.val)).images
    return pixels.contiguous() if wish.normalise else Normalise(dataset, CPU)(pixels).contiguous()


def _compared(name: str, network: nn.Module, written: Run, batches: list[Tensor], tolerance: float) -> str:
    differences, logits = [], []
    with torch.no_grad():
        for images in batches:
            expected, found = network(images), written(images)
            differences.append(float((expected - found).abs().max()))
            logits.append(float(expected.abs().max()))
    worst, limit = max(differences), tolerance * max(1.0, *logits)
    # A comparison with what is not a number is never true.
    if not worst <= limit:
        raise NotTheSame(
            f"the written network's outputs on {name} images differ from the original's by up to {worst:.3g}, above "
            f"the {limit:.3g} allowed; nothing was kept (--tolerance {tolerance:g} sets the limit)"
        )
    return f"{name} images: largest difference {worst:.3g}, of logits up to {max(logits):.3g}; {limit:.3g} allowed"


def _facts(restored: Restored, dataset: Dataset | None, wish: Wish) -> dict[str, str]:
    scaling = {} if dataset is None else {"mean": json.dumps(dataset.mean), "std": json.dumps(dataset.std)}
    return scaling | {
        "resdrop_version": VERSION,
        "classes": json.dumps(restored.classes),
        "image_size": str(restored.config.image_side),
        "input": "uint8 RGB, 0-255" if wish.normalise else "float32 RGB, normalised as in training",
        "step": str(restored.checkpoint.step),
        "weights": restored.weights,
        "config": restored.config.model_dump_json(),
    }


def _tell(restored: Restored, wish: Wish, told: list[str]) -> None:
    print(restored.described())
    if restored.config.bn_reestimate:
        print(f"batch norm taken again over {restored.config.bn_reestimate} training batches, as in its run")
    for line in told:
        print(line)
    megabytes = wish.out.stat().st_size / 1e6
    if not FORMATS[wish.format].is_program:
        print(f"{wish.out}: weights with the survival probabilities multiplied in, {megabytes:.1f} MB")
        return
    side, batch = restored.config.image_side, "batch" if wish.batch is None else wish.batch
    kind = "uint8" if wish.normalise else "float32"
    print(f"{wish.out}: {kind} [{batch}, 3, {side}, {side}] -> [{batch}, {len(restored.classes)}], {megabytes:.1f} MB")
