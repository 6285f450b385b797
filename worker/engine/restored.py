"""A network out of a checkpoint, as it was evaluated in its run, for whoever wants to use it afterwards."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from worker.contract.config import RunConfig
from worker.engine.batch_norm import reestimated
from worker.engine.checkpoint import Checkpoint, load
from worker.engine.data.images import Batch
from worker.engine.out_of_memory import is_out_of_memory
from worker.engine.plan import Batches, Plan
from worker.engine.ports import NullSink
from worker.engine.precision import Precision
from worker.engine.resnet import ResNet
from worker.engine.results import ResultsFolder
from worker.engine.sinks.history import read_history
from worker.engine.sinks.keeper import BEST
from worker.engine.state import build_model
from worker.engine.train_command import newest_sound_checkpoint

Weights = Literal["ema", "raw"]


class NothingToRestore(ValueError):
    """There is no such network; says what is missing and what to do."""


@dataclass(frozen=True)
class Source:
    """Where the network comes from: a checkpoint's file, or a run's folder and which of its checkpoints."""

    checkpoint: Path | None = None
    run: Path | None = None
    best: bool = False
    weights: Weights | None = None


class Restored:
    """`config` is the run's own for a single device, with `changes` laid over it; `trained_with` is it as it was.

    No code of the file ever runs. Raises CheckpointDamaged, CheckpointMismatch, NothingToRestore and ValidationError.
    """

    def __init__(self, source: Source, changes: Mapping[str, object]) -> None:
        self.checkpoint = _found(source)
        self.weights: Weights = _weights(self.checkpoint, source.weights)
        self.config = _alone(self.checkpoint, changes)
        self.trained_with = RunConfig.model_validate(self.checkpoint.config)
        self.classes: tuple[str, ...] = tuple(self.checkpoint.content["classes"])
        self.statistics_batch = self.trained_with.micro_batch

    def network(self) -> ResNet:
        """On the CPU, in evaluation mode, with its running batch-norm statistics."""
        model = build_model(self.config, num_classes=len(self.classes))
        model.load_state_dict(self.checkpoint.content["average" if self.weights == "ema" else "model"])
        return model.eval()

    def reestimated(self, model: ResNet, *, plan: Plan, precision: Precision) -> ResNet:
        """With the statistics that the run's evaluation at this place had, if it takes them again.

        They are taken over the run's own batches, however few images `plan` computes at once; only where those do not
        fit the memory over as many as it does. `statistics_batch` tells which.
        """
        if not self.config.bn_reestimate:
            return model
        own, asked = self.trained_with.micro_batch, plan.config.micro_batch
        try:
            return self._taken_again(model, own, plan=plan, precision=precision)
        except (RuntimeError, MemoryError) as error:
            if asked >= own or not is_out_of_memory(error):
                raise
        # Not in the handler, whose error keeps alive what fills the memory.
        return self._taken_again(model, asked, plan=plan, precision=precision)

    def _taken_again(self, model: ResNet, at_once: int, *, plan: Plan, precision: Precision) -> ResNet:
        self.statistics_batch = at_once
        # An epoch of the run's own batches, which its devices shared; those of `plan` may be smaller.
        steps_per_epoch = max(1, len(plan.dataset.train) // self.trained_with.batch)
        epoch = max(0, math.ceil(self.checkpoint.step / steps_per_epoch) - 1)
        own = self.trained_with.micro_batch
        with closing(plan.batch_norm_batches(epoch=epoch, batch=own)) as parts:
            batches = _put_together(parts, images=own) if at_once == own else parts
            return reestimated(model, batches, normalise=plan.augment.plain, precision=precision, obey=_go_on)

    def refuse_other_classes(self, classes: tuple[str, ...]) -> None:
        """Raises NothingToRestore where the images are of other classes than those the network learnt."""
        if classes != self.classes:
            raise NothingToRestore(
                f"checkpoint {self.checkpoint.path} tells {len(self.classes)} classes apart "
                f"({_listed(self.classes)}) and the images are of {len(classes)} ({_listed(classes)}); "
                "give the images of the same classes in --data_dir"
            )

    def measured(self) -> dict[str, float]:
        """What the run itself measured of the validation images after this step; empty where that is not known."""
        history = self.checkpoint.path.parent.parent / "history.csv"
        rows = [row for row in read_history(history) if int(row["step"]) == self.checkpoint.step and row["val/top1"]]
        return {name: float(rows[-1][name]) for name in ("val/top1", "val/loss")} if rows else {}

    def described(self) -> str:
        network = f"ResNet-{int(self.config.depth)}{f' with pL {self.config.pL:g}' if self.config.sd else ''}"
        return (
            f"{self.checkpoint.path}: {network} for {len(self.classes)} classes, "
            f"after step {self.checkpoint.step}, {self.weights} weights"
        )


def _found(source: Source) -> Checkpoint:
    if source.checkpoint is not None:
        return load(source.checkpoint)
    assert source.run is not None
    folder = ResultsFolder(source.run)
    if source.best:
        if not (folder.checkpoints / BEST).exists():
            raise NothingToRestore(f"--run {source.run} has no best checkpoint; leave out --best to take the last")
        return load((folder.checkpoints / BEST).resolve())
    found = newest_sound_checkpoint(folder.checkpoints, _Complaints())
    if found is None:
        raise NothingToRestore(f"--run {source.run} holds no sound checkpoint; give the folder of `train --out`")
    return found


def _weights(checkpoint: Checkpoint, wanted: Weights | None) -> Weights:
    has_average = checkpoint.content["average"] is not None
    if wanted == "ema" and not has_average:
        raise NothingToRestore(
            f"checkpoint {checkpoint.path} has no weight average, its run had ema off; take --weights raw"
        )
    return wanted or ("ema" if has_average else "raw")


def _alone(checkpoint: Checkpoint, changes: Mapping[str, object]) -> RunConfig:
    """One device computes the micro-batches that each of the run's had, or as many images at once as is asked for."""
    config = RunConfig.model_validate(checkpoint.config)
    alone = {"devices": 1, "batch": config.batch // config.devices, "lr": config.peak_lr}
    if "batch" in changes:
        alone["accumulation"] = 1
    return RunConfig.model_validate({**config.model_dump(mode="json"), **alone, **changes})


def _put_together(parts: Batches, *, images: int) -> Iterator[Batch]:
    """Batches of `images` images, of which each begins and ends with a part."""
    begun: list[Batch] = []
    for part in parts:
        begun.append(part)
        if sum(len(one.labels) for one in begun) == images:
            yield Batch(
                torch.cat([one.images for one in begun]),
                torch.cat([one.labels for one in begun]),
                torch.cat([one.indices for one in begun]),
            )
            begun = []
    assert not begun


def _go_on() -> None:
    pass


def _listed(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:3]) + (", ..." if len(classes) > 3 else "")


class _Complaints(NullSink):
    def notice(self, text: str) -> None:
        print(text, file=sys.stderr)
