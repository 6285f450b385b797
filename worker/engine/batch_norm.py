"""Batch-norm statistics for evaluating a network that was trained at random depth."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from worker.engine.data.images import Batch
from worker.engine.precision import Precision
from worker.engine.resnet import ResNet


def reestimated(
    model: ResNet,
    batches: Iterable[Batch],
    *,
    normalise: Callable[[Tensor], Tensor],
    precision: Precision,
    obey: Callable[[], None],
) -> ResNet:
    """A copy whose statistics are means over `batches` at full depth with branches scaled as in an evaluation.

    Running statistics are gathered while blocks are missing, and mislead at full depth. `model` is not touched.
    """
    twin = copy.deepcopy(model)
    twin.requires_grad_(False).eval()
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            # Without a momentum the statistics are the plain mean over all batches.
            module.momentum = None
            module.train()
    with torch.no_grad():
        for batch in batches:
            obey()
            with precision.autocast():
                twin(normalise(batch.images))
    return twin.eval()
