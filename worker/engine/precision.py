"""Mixed precision, and the one place where the optimizer is stepped for every precision."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from worker.contract.config import Amp

_TYPES = {Amp.FP16: torch.float16, Amp.BF16: torch.bfloat16}


class Precision:
    """fp16 goes with a gradient scaler; elsewhere the scaler is off and passes everything through."""

    def __init__(self, amp: Amp, device: torch.device) -> None:
        assert amp is not Amp.AUTO
        self._amp = amp
        self._device = device
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._amp is Amp.FP16)

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._device.type, dtype=_TYPES.get(self._amp), enabled=self._amp in _TYPES)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradient of `loss`, scaled, to what is there."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, optimizer: torch.optim.Optimizer, *, clip_grad: float | None = None) -> None:
        """One optimizer step with the gradients that are there, which are gone afterwards.

        A step that the scaler skips, because a gradient overflowed, still counts as one.
        """
        if clip_grad is not None:
            self._scaler.unscale_(optimizer)
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(parameters, clip_grad)
        self._scaler.step(optimizer)
        self._scaler.update()
        optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        return self._scaler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state:
            self._scaler.load_state_dict(dict(state))
