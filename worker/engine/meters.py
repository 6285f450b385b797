"""Sums over images that stay on the device, and the means that are told of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class Meter:
    """Loss, top-1 and top-5 summed over images; nothing is read back from the device before `means`."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)
        self.images = 0

    def add(self, *, mean_loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """`mean_loss` is the mean over the batch."""
        with torch.no_grad():
            top1, top5 = _hits(logits, labels)
            batch = torch.stack((mean_loss.detach().double() * len(labels), top1, top5))
            self._sums += batch
        self.images += len(labels)

    def means(self) -> tuple[float, float, float]:
        """Mean loss, top-1 and top-5 in percent. Waits for the device: call it to report, not in every step."""
        loss, top1, top5 = (self._sums / max(1, self.images)).tolist()
        return loss, 100.0 * top1, 100.0 * top5

    def reset(self) -> None:
        self._sums.zero_()
        self.images = 0

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._sums.clone(), "images": self.images}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._sums.copy_(state["sums"])
        self.images = int(state["images"])


def _hits(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """How many labels are the first guess, and how many are among the first five."""
    guesses = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    return guesses[:, 0].sum().double(), guesses.sum().double()


class DepthMeter:
    """What stochastic depth left of the network in the steps since the last report."""

    def __init__(self) -> None:
        self.steps = 0
        self.blocks = 0
        self.compute = 0.0

    def add(self, *, blocks: int, compute: float) -> None:
        self.steps += 1
        self.blocks += blocks
        self.compute += compute

    def means(self) -> tuple[float, float]:
        """Blocks run, and the share of the full compute, in the mean over steps."""
        steps = max(1, self.steps)
        return self.blocks / steps, self.compute / steps

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "blocks": self.blocks, "compute": self.compute}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps, self.blocks, self.compute = int(state["steps"]), int(state["blocks"]), float(state["compute"])
