"""Loss and accuracy over the validation images."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.engine.augment import Targets
from worker.engine.batch_norm import reestimated
from worker.engine.data.images import Batch
from worker.engine.guesses import GuessMeter
from worker.engine.meters import Meter
from worker.engine.plan import Plan
from worker.engine.precision import Precision
from worker.engine.resnet import ResNet
from worker.engine.state import TrainingState


@dataclass(frozen=True)
class Evaluation:
    """The mean loss, without label smoothing, and accuracies in percent."""

    loss: float
    top1: float
    top5: float


def evaluate_epoch(
    *,
    epoch: int,
    plan: Plan,
    state: TrainingState,
    obey: Callable[[], None],
    guesses: GuessMeter | None = None,
) -> Evaluation:
    """The network after `epoch`, its batch-norm statistics taken again if the configuration says so.

    Every rank has to ask, and is told the same. `obey` is called before each batch, on all ranks equally often, and may
    raise; done again, the evaluation gives the same.
    """
    model = state.evaluated_model()
    if plan.config.bn_reestimate:
        with closing(plan.batch_norm_batches(epoch=epoch)) as batches:
            model = reestimated(model, batches, normalise=plan.augment.plain, precision=state.precision, obey=obey)
    return evaluate(model, plan=plan, precision=state.precision, obey=obey, guesses=guesses)


def evaluate(
    model: ResNet,
    *,
    plan: Plan,
    precision: Precision,
    obey: Callable[[], None],
    guesses: GuessMeter | None = None,
) -> Evaluation:
    """Counts every validation image once, whatever the number of ranks; leaves `model` in evaluation mode.

    One that cannot be decoded counts as guessed wrong, and for nothing in the loss. `guesses` gets all of them.
    """
    model.eval()
    meter = Meter(plan.device, plan.execution.ranks)
    with closing(plan.validation_batches()) as batches, torch.no_grad():
        for batch in batches:
            obey()
            # A rank may have one batch less than the first.
            if len(batch.labels):
                logits = _count(batch, model=model, meter=meter, plan=plan, precision=precision)
                if guesses is not None:
                    guesses.add(batch, logits)
    return Evaluation(*meter.means())


def _count(batch: Batch, *, model: ResNet, meter: Meter, plan: Plan, precision: Precision) -> Tensor:
    targets = Targets(batch.labels.to(plan.device, non_blocking=True))
    with precision.autocast():
        logits: Tensor = model(plan.augment.plain(batch.images))
        loss = targets.loss_of_readable(logits)
    meter.add(mean_loss=loss, logits=logits, targets=targets)
    return logits
