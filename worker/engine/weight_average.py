"""An exponential moving average of the weights, kept beside the training and evaluated in its place."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from worker.engine.resnet import ResNet


class WeightAverage:
    """average <- decay x average + (1 - decay) x weights after each step; batch-norm statistics alike.

    It begins as the first weights. Whole numbers, such as counts of batches, are copied.
    """

    def __init__(self, model: ResNet, *, decay: float) -> None:
        self._decay = decay
        # The network's tensors stay the same objects; naming them anew in every step would take longer than the sums.
        now = model.state_dict()
        self.tensors = {name: tensor.detach().clone() for name, tensor in now.items()}
        pairs = [(average, now[name]) for name, average in self.tensors.items()]
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    def update(self) -> None:
        """Nothing waits for the device."""
        averages, weights = map(list, zip(*self._averaged, strict=True))
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1.0 - self._decay)
            for average, number in self._copied:
                average.copy_(number)

    def load(self, saved: Mapping[str, Tensor]) -> None:
        assert saved.keys() == self.tensors.keys()
        for name, tensor in self.tensors.items():
            tensor.copy_(saved[name])
