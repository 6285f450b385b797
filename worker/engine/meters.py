"""Sums over images that stay on the device, and the means that are told of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from worker.engine.augment import Targets
from worker.engine.data.images import UNREADABLE
from worker.engine.ranks import ALONE, Ranks

#: How many sums a meter keeps.
SUMS = 5


class Meter:
    """Sums over images of loss, top-1 and top-5, of how many have a loss, and of all.

    Nothing is read back from the device before `means`.
    """

    def __init__(self, device: torch.device, ranks: Ranks = ALONE) -> None:
        self._sums = torch.zeros(SUMS, dtype=torch.float64, device=device)
        self._ranks = ranks

    def add(self, *, mean_loss: Tensor, logits: Tensor, targets: Targets) -> None:
        """`mean_loss` is the mean over the images of the batch that could be read."""
        with torch.no_grad():
            readable = (targets.labels != UNREADABLE).sum().double()
            top1, top5 = targets.hits(logits)
            self._sums[:4] += torch.stack((mean_loss.detach().double() * readable, top1, top5, readable))
        self._sums[4] += len(targets.labels)

    def means(self) -> tuple[float, float, float]:
        """Mean loss, top-1 and top-5 in percent over all ranks, each of which has to ask.

        Waits for the device: call it to report, not in every step.
        """
        loss, top1, top5, readable, images = self._ranks.gather(self._sums).sum(0).tolist()
        images = max(1.0, images)
        return loss / max(1.0, readable), 100.0 * top1 / images, 100.0 * top5 / images

    def reset(self) -> None:
        self._sums.zero_()

    def state_dict(self) -> dict[str, Any]:
        """[ranks, SUMS]: sums of different ranks are added up in one order only, so they are kept apart."""
        return {"sums": self._ranks.gather(self._sums).clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._sums.copy_(state["sums"][self._ranks.rank])


class DepthMeter:
    """What stochastic depth left of the network in the steps since the last report."""

    def __init__(self) -> None:
        self.reset()

    def add(self, *, blocks: float, compute: float) -> None:
        self.steps += 1
        self.blocks += blocks
        self.compute += compute

    def means(self) -> tuple[float, float]:
        """Blocks run, and the share of the full compute, in the mean over steps."""
        steps = max(1, self.steps)
        return self.blocks / steps, self.compute / steps

    def reset(self) -> None:
        self.steps = 0
        self.blocks = 0.0
        self.compute = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "blocks": self.blocks, "compute": self.compute}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps, self.blocks, self.compute = int(state["steps"]), float(state["blocks"]), float(state["compute"])
