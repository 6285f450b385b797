"""One optimizer step."""

from __future__ import annotations

from torch.nn.functional import cross_entropy

from worker.engine.data.images import Batch
from worker.engine.optimizer import set_lr
from worker.engine.plan import Plan
from worker.engine.state import TrainingState
from worker.engine.stochastic_depth import gates


def training_step(batch: Batch, *, plan: Plan, state: TrainingState) -> None:
    """Forward, backward, step. Nothing here waits for the device."""
    config = plan.config
    set_lr(state.optimizer, plan.schedule.lr(state.step))
    open_gates = gates(seed=config.seed, step=state.step, survival=state.model.survival)
    labels = batch.labels.to(plan.device, non_blocking=True)
    state.model.train()
    with state.precision.autocast():
        logits = state.model(plan.normalise(batch.images), gates=open_gates)
        loss = cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    state.precision.backward_and_step(loss, state.optimizer)
    state.step += 1
    state.meter.add(mean_loss=loss, logits=logits, labels=labels)
    state.depth_meter.add(blocks=sum(open_gates), compute=plan.compute.share(open_gates))
