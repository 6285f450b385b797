"""`evaluate`: loss and accuracies of a checkpoint, as its run measures them, and the accuracy of each class."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from worker.contract.text import csv_text
from worker.engine import execution
from worker.engine.atomic import check_writable, write_text
from worker.engine.checkpoint import CheckpointDamaged, CheckpointMismatch
from worker.engine.data.errors import DataError, shown_path
from worker.engine.data.images import Dataset
from worker.engine.data.open import open_dataset
from worker.engine.evaluate import Evaluation, evaluate
from worker.engine.outcome import DeviceUnavailable
from worker.engine.plan import Batches, Plan
from worker.engine.precision import Precision
from worker.engine.resnet import ResNet
from worker.engine.restored import NothingToRestore, Restored, Source

BAD_INPUT = 2
FIVE = 5
#: Two evaluations that differ by less are the same but for rounding.
SAME = 1e-9

Split = Literal["val", "train"]


def run(source: Source, changes: Mapping[str, object], *, split: Split, table: Path | None) -> int:
    """Prints what was measured; `table` gets a row for each class as CSV. The exit code."""
    try:
        restored = Restored(source, changes)
        dataset = _of_split(open_dataset(restored.config), split)
        restored.refuse_other_classes(dataset.classes)
        settled = execution.settle(restored.config, recorded_threads=restored.checkpoint.threads)
        if table is not None:
            check_writable(table)
    except (DataError, DeviceUnavailable, CheckpointDamaged, CheckpointMismatch, NothingToRestore) as refusal:
        print(refusal, file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        print(f"--csv {table} cannot be written: {error.strerror}", file=sys.stderr)
        return BAD_INPUT
    plan, precision = _Tally(restored.config, dataset, settled), Precision(settled.amp, settled.device)
    model = restored.network().to(device=settled.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = restored.reestimated(model, plan=plan, precision=precision)
    result = plan.evaluated(model, precision)
    for sentence in (*plan.notices(), *plan.damage.news(), *plan.faint.news()):
        print(f"note: {sentence}", file=sys.stderr)
    for line in _told(restored, plan, result, split=split, device=settled.device_name):
        print(line)
    if table is not None:
        write_text(table, plan.by_class())
    return 0


def _of_split(dataset: Dataset, split: Split) -> Dataset:
    """Training images are looked at as validation images are: plain."""
    return dataset if split == "val" else replace(dataset, val=dataset.train)


class _Tally(Plan):
    """A plan that counts by class what passes through the run's own evaluation."""

    def evaluated(self, model: ResNet, precision: Precision) -> Evaluation:
        count = len(self.dataset.classes)
        #: [classes, 3]: images, and those right among the first and the first five guesses.
        self.counts = torch.zeros(count, 3, dtype=torch.int64)
        self._labels: Tensor | None = None
        hook = model.register_forward_hook(self._count)
        try:
            return evaluate(model, plan=self, precision=precision, obey=lambda: None)
        finally:
            hook.remove()

    def validation_batches(self) -> Batches:
        for batch in super().validation_batches():
            self._labels = batch.labels
            yield batch

    def by_class(self) -> str:
        """CSV; a class without images has no accuracy, and a name that is no text is escaped."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("class", "images", "right_top1", "right_top5", "top1_percent"))
        for name, (images, top1, top5) in zip(self.dataset.classes, self.counts.tolist(), strict=True):
            writer.writerow((csv_text(shown_path(name)), images, top1, top5, 100 * top1 / images if images else ""))
        return text.getvalue()

    def _count(self, _model: nn.Module, _inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        assert self._labels is not None
        labels = self._labels.to(logits.device)
        right = logits.topk(min(FIVE, logits.shape[1]), dim=1).indices == labels[:, None]
        seen = torch.stack((torch.ones_like(labels), right[:, 0].long(), right.any(1).long()), 1)
        # An image that cannot be read has a label below all classes.
        known = labels >= 0
        self.counts.index_add_(0, labels[known].cpu(), seen[known].cpu())


def _told(restored: Restored, plan: _Tally, result: Evaluation, *, split: Split, device: str) -> Iterator[str]:
    yield f"{restored.described()}, on {device}"
    if plan.config.image_side != restored.trained_with.image_side:
        yield f"evaluated at {plan.config.image_side} px, trained at {restored.trained_with.image_side} px"
    if plan.config.bn_reestimate:
        yield f"batch norm taken again over {_batch_norm_images(restored)}"
    images, (_, top1, top5) = len(plan.dataset.val), plan.counts.sum(0).tolist()
    yield (
        f"{images} images: {split}/loss {result.loss:.6f}, {split}/top1 {result.top1:.4f} % ({top1} right), "
        f"{split}/top5 {result.top5:.4f} % ({top5} right)"
    )
    unreadable = images - int(plan.counts[:, 0].sum())
    if unreadable:
        yield f"{unreadable} images cannot be read; they count as guessed wrong"
    if split == "val":
        yield from _beside_the_run(restored, plan, result)


def _batch_norm_images(restored: Restored) -> str:
    own, here = restored.trained_with.micro_batch, restored.statistics_batch
    batches = f"{restored.config.bn_reestimate} training batches"
    if here == own:
        return f"{batches}, as in its run"
    return (
        f"the images of {batches}, {here} at once, as the {own} of its run do not fit the memory here: loss and "
        "accuracies may differ noticeably from the run's"
    )


def _beside_the_run(restored: Restored, plan: Plan, result: Evaluation) -> Iterator[str]:
    own = restored.measured()
    if plan.dataset.fingerprint != restored.checkpoint.content["images"]:
        yield "these are not the images with which the network was trained"
    if own:
        difference = result.top1 - own["val/top1"]
        same_size = plan.config.image_side == restored.trained_with.image_side
        verdict = "the same" if abs(difference) < SAME else f"a difference of {difference:+.4f} points"
        at = "" if same_size else f" at {restored.trained_with.image_side} px"
        yield f"its run measured val/top1 {own['val/top1']:.4f} % after this step{at}: {verdict}"
