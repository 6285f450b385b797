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
        self._model = model
        self.tensors = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def update(self) -> None:
        """Nothing waits for the device."""
        now = self._model.state_dict()
        is_float = {name: tensor.is_floating_point() for name, tensor in self.tensors.items()}
        with torch.no_grad():
            torch._foreach_lerp_(
                [tensor for name, tensor in self.tensors.items() if is_float[name]],
                [now[name] for name in self.tensors if is_float[name]],
                1.0 - self._decay,
            )
            for name, tensor in self.tensors.items():
                if not is_float[name]:
                    tensor.copy_(now[name])

    def load(self, saved: Mapping[str, Tensor]) -> None:
        assert saved.keys() == self.tensors.keys()
        for name, tensor in self.tensors.items():
            tensor.copy_(saved[name])
