"""Mixed precision, and the one place where the optimizer is stepped for every precision."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

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

    def backward_and_step(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """One optimizer step. Parameters of skipped blocks get a gradient of zero, not none.

        With none they would stand still, where in the paper weight decay and momentum go on moving them. A step that
        the scaler skips, because a gradient overflowed, still counts as one.
        """
        optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        _fill_absent_gradients(optimizer)
        self._scaler.step(optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return self._scaler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state:
            self._scaler.load_state_dict(dict(state))


def _fill_absent_gradients(optimizer: torch.optim.Optimizer) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
