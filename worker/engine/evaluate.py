"""Loss and accuracy over the validation images."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from worker.engine.batch_norm import reestimated
from worker.engine.meters import Meter
from worker.engine.plan import Batches, Plan
from worker.engine.precision import Precision
from worker.engine.resnet import ResNet
from worker.engine.state import TrainingState


@dataclass(frozen=True)
class Evaluation:
    """The mean loss, without label smoothing, and accuracies in percent."""

    loss: float
    top1: float
    top5: float


def evaluate_epoch(*, epoch: int, plan: Plan, state: TrainingState, obey: Callable[[], None]) -> Evaluation:
    """The network after `epoch`, its batch-norm statistics taken again if the configuration says so.

    `obey` is called before each batch and may raise; done again, the evaluation gives the same.
    """
    model = state.model
    if plan.config.bn_reestimate:
        with closing(plan.batch_norm_batches(epoch=epoch)) as batches:
            model = reestimated(model, batches, normalise=plan.normalise, precision=state.precision, obey=obey)
    with closing(plan.validation_batches()) as batches:
        return evaluate(model, batches, plan=plan, precision=state.precision, obey=obey)


def evaluate(
    model: ResNet, batches: Batches, *, plan: Plan, precision: Precision, obey: Callable[[], None]
) -> Evaluation:
    """Counts every image of `batches` once; leaves `model` in evaluation mode."""
    model.eval()
    meter = Meter(plan.device)
    with torch.no_grad():
        for images, labels in batches:
            obey()
            targets = labels.to(plan.device, non_blocking=True)
            with precision.autocast():
                logits = model(plan.normalise(images))
                loss = cross_entropy(logits, targets)
            meter.add(mean_loss=loss, logits=logits, labels=targets)
    return Evaluation(*meter.means())
