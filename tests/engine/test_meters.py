from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from worker.engine.augment import Targets
from worker.engine.data.images import UNREADABLE
from worker.engine.meters import Meter

LOGITS = torch.linspace(-2.0, 3.0, 40).reshape(4, 10).roll(3, 1)


def measured(*batches: tuple[Tensor, list[int]]) -> tuple[float, float, float]:
    meter = Meter(torch.device("cpu"))
    for logits, labels in batches:
        targets = Targets(torch.tensor(labels))
        meter.add(mean_loss=targets.loss_of_readable(logits), logits=logits, targets=targets)
    return meter.means()


def test_the_loss_is_the_mean_over_all_images_whatever_the_batches() -> None:
    whole = measured((LOGITS, [2, 5, 2, 7]))
    parts = measured((LOGITS[:3], [2, 5, 2]), (LOGITS[3:], [7]))
    assert whole == pytest.approx(parts)
    assert whole[0] == pytest.approx(float(cross_entropy(LOGITS.double(), torch.tensor([2, 5, 2, 7]))), rel=1e-6)


def test_an_image_that_cannot_be_read_counts_as_guessed_wrong_and_for_nothing_in_the_loss() -> None:
    loss, top1, top5 = measured((LOGITS[:3], [UNREADABLE, 2, UNREADABLE]), (LOGITS[3:], [2]))
    readable = measured((LOGITS[[1, 3]], [2, 2]))
    assert loss == pytest.approx(readable[0])
    assert (top1, top5) == (readable[1] / 2, readable[2] / 2)
    assert readable[1] == 100.0


def test_without_a_readable_image_nothing_is_divided_by_zero() -> None:
    assert measured((LOGITS[:1], [UNREADABLE])) == (0.0, 0.0, 0.0)
