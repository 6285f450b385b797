"""One optimizer step, in as many micro-batches as the configuration says. Nothing here waits for the device."""

from __future__ import annotations

from worker.engine import gradients
from worker.engine.data.images import Batch
from worker.engine.optimizer import set_lr
from worker.engine.plan import Plan
from worker.engine.state import TrainingState


def accumulate(batch: Batch, *, plan: Plan, state: TrainingState) -> None:
    """Forward and backward of the next micro-batch."""
    config, step = plan.config, state.step
    epoch = step // plan.steps_per_epoch
    gates = plan.gate_keeper.gates(step=step, positions=plan.order.positions(state.micro), device=plan.device)
    images, targets = plan.augment.training(batch, epoch=epoch, step=step)
    state.model.train()
    with state.precision.autocast():
        logits = state.model(images, gates=gates)
        loss = targets.loss(logits, label_smoothing=config.label_smoothing)
    # Each part's mean counts for its share of the batch.
    state.precision.backward(loss / plan.parts)
    state.micro += 1
    state.meter.add(mean_loss=loss, logits=logits, targets=targets)


def finish_step(*, plan: Plan, state: TrainingState) -> None:
    """Moves the weights along the gradient of the whole batch."""
    config, keeper = plan.config, plan.gate_keeper
    set_lr(state.optimizer, plan.schedule.lr(state.step))
    gradients.sum_over(state.ranks, state.model, gate_per_image=config.sd and config.sd_mode != "batch")
    if config.sd_dropped == "zero":
        gradients.fill_absent(state.model)
    state.precision.step(state.optimizer, clip_grad=config.clip_grad)
    if state.average is not None:
        state.average.update()
    shares = keeper.open_shares(step=state.step)
    state.depth_meter.add(blocks=sum(shares), compute=plan.compute.share(keeper.computed_shares(shares)))
    state.step += 1
    state.micro = 0
