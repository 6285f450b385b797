"""A training whose numbers are not finite any more: going on would only spend time, and saving it would be worse."""

from __future__ import annotations

import math

import torch

from worker.contract.config import Amp
from worker.engine.outcome import TrainingDiverged
from worker.engine.plan import Plan
from worker.engine.state import TrainingState


def refuse_loss(plan: Plan, state: TrainingState) -> None:
    """Raises TrainingDiverged, on all ranks, if a loss since the last report was not finite. Waits for the device."""
    loss, _, _ = state.meter.means()
    if not math.isfinite(loss):
        raise TrainingDiverged(_reason("the training loss", plan, state))


def refuse_weights(plan: Plan, state: TrainingState) -> None:
    """Raises TrainingDiverged, on all ranks, if what a resume would start from is not finite. Waits for the device.

    The loss tells of it only a step later, when a checkpoint would have replaced the sound ones. Gradients may overflow
    in fp16, which its scaler sees to.
    """
    if state.ranks.agree(int(not _are_finite(state))):
        raise TrainingDiverged(_reason("a weight or a batch-norm statistic", plan, state))


def _are_finite(state: TrainingState) -> bool:
    kept = [*state.model.state_dict().values(), *(state.average.tensors.values() if state.average else ())]
    numbers = [tensor for tensor in kept if tensor.is_floating_point()]
    # The largest magnitude of each; a sum of squares overflows where all numbers are finite.
    largest = torch._foreach_norm(numbers, math.inf)
    return bool(torch.stack(largest).isfinite().all())


def _reason(what: str, plan: Plan, state: TrainingState) -> str:
    config, step = plan.config, state.step
    amp = plan.execution.amp
    remedies = [f"a lower lr (now {config.peak_lr:g})", f"more warmup_epochs (now {config.warmup_epochs:g})"]
    if config.clip_grad is None:
        remedies.append("clip_grad")
    if amp is not Amp.OFF:
        remedies.append(f"amp off (now {amp.value})")
    return (
        f"{what} stopped being finite by step {step}, in epoch {plan.epoch(step):.1f} at a learning rate of "
        f"{plan.schedule.lr(max(0, step - 1)):.3g}. Resumed, this run would end the same way: "
        f"begin a new one with {', '.join(remedies[:-1])} or {remedies[-1]}"
    )
