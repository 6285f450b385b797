"""The recipe against torch's own SGD, schedulers, weight average and loss of soft labels, in a plain loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torchvision.transforms.functional import hflip, normalize

from tests.engine.parts import final_state, run_to_end, tiny
from worker.contract.config import Amp, RunConfig
from worker.engine.augment import DRAWS_PER_IMAGE, mixup_share
from worker.engine.batch_norm import reestimated
from worker.engine.data.images import Batch
from worker.engine.data.open import open_dataset
from worker.engine.execution import settle
from worker.engine.keys import uniforms
from worker.engine.plan import Plan
from worker.engine.precision import Precision
from worker.engine.resnet import ResNet, build, survival_rule
from worker.engine.stochastic_depth import gates, survival_probabilities

#: Of the 1,437 digits 5 batches make an epoch, and two epochs the run; the first warms up.
STEPS_PER_EPOCH = WARMUP = 5
STEPS = 10
CPU = torch.device("cpu")
#: So low that rounding does not grow: at 0.05 the last bit of a sum is a percent of a weight ten steps later.
PAPER: dict[str, Any] = {"lr": 5e-4, "min_lr": 1e-5, "weight_decay": 0.5, "bn_reestimate": 0, "log_every": 1}
WHOLE: dict[str, Any] = PAPER | {
    "accumulation": 2,
    "decay_norms": False,
    "nesterov": True,
    # Some of the gradients are longer, and some are not.
    "clip_grad": 1.3,
    "ema": 0.7,
    "flip": True,
    "mixup": 0.4,
    "label_smoothing": 0.1,
}


class Reference:
    """What `config` should come to, written with torch alone but for the network, the images and the draws."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.dataset = open_dataset(config)
        self.plan = Plan(config, self.dataset, settle(config))
        self.model = build(depth=20, num_classes=10, survival=survival_rule(config), seed=config.seed)
        self.model.to(memory_format=torch.channels_last)
        self.optimizer = sgd_of_torch(self.model, config)
        self.schedulers = schedulers(self.optimizer, config)
        decay = get_ema_multi_avg_fn(config.ema or 0.0)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(self.model, multi_avg_fn=decay, use_buffers=True)
        # Its first update copies, and so makes the first weights the beginning of the average.
        self.average.update_parameters(self.model)
        self.rates: list[float] = []
        self.losses: list[float] = []

    def train(self) -> None:
        batches = self.plan.training_batches(start=0)
        for step in range(STEPS):
            self.step(step, [next(batches) for _ in range(self.config.accumulation)])
        batches.close()

    def step(self, step: int, parts: list[Batch]) -> None:
        survival = survival_probabilities(blocks=9, pL=0.5)
        is_open = gates(seed=self.config.seed, step=step, survival=survival)
        share = mixup_share(self.config.mixup, seed=self.config.seed, step=step) if self.config.mixup else 1.0
        images = [normalised(self.dataset, self.mirrored(batch, step // STEPS_PER_EPOCH)) for batch in parts]
        blended = [mixed(part, one_hot(batch.labels), share) for part, batch in zip(images, parts, strict=True)]
        logits = torch.cat([self.model.train()(images, gates=is_open) for images, _ in blended])
        labels = torch.cat([label for _, label in blended])
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_grad or float("inf"))
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        self.losses.append(loss.item())
        self.optimizer.step()
        self.schedulers.step()
        self.average.update_parameters(self.model)

    def mirrored(self, batch: Batch, epoch: int) -> Tensor:
        draws = uniforms(batch.indices.numpy(), DRAWS_PER_IMAGE, "look", self.config.seed, epoch)[:, 0]
        chosen = torch.from_numpy(draws < 0.5) & self.config.flips
        return torch.stack([hflip(image) if flip else image for image, flip in zip(batch.images, chosen, strict=True)])

    def validation(self) -> dict[str, float]:
        batch = self.dataset.val.plain(np.arange(len(self.dataset.val)))
        with torch.no_grad():
            logits = self.average.module.eval()(normalised(self.dataset, batch.images))
        top = {k: 100 * float(top_k_accuracy_score(batch.labels, logits, k=k, labels=range(10))) for k in (1, 5)}
        loss = functional.cross_entropy(logits, batch.labels).item()
        return {"val/loss": loss, "val/top1": top[1], "val/top5": top[5]}


def sgd_of_torch(model: ResNet, config: RunConfig) -> torch.optim.SGD:
    norms = {
        f"{name}.{part}"
        for name, module in model.named_modules()
        for part in ("weight", "bias")
        if isinstance(module, nn.BatchNorm2d)
    } | {"classifier.bias"}
    named = dict(model.named_parameters())
    spared = [named[name] for name in named if name in norms and not config.decay_norms]
    decayed = [named[name] for name in named if config.decay_norms or name not in norms]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": spared, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=config.lr or 0.0,
        momentum=config.momentum,
        nesterov=config.nesterov,
    )
    # Blocks that have not run yet have a gradient of zero from the first step on.
    for weight in named.values():
        weight.grad = torch.zeros_like(weight)
    return optimizer


def schedulers(optimizer: torch.optim.Optimizer, config: RunConfig) -> SequentialLR:
    warmup = LinearLR(optimizer, start_factor=1 / WARMUP, total_iters=WARMUP - 1)
    cosine = CosineAnnealingLR(optimizer, T_max=STEPS - WARMUP, eta_min=config.min_lr)
    return SequentialLR(optimizer, [warmup, cosine], milestones=[WARMUP])


def normalised(dataset: Any, images: Tensor) -> Tensor:
    floats: Tensor = normalize(images.float() / 255, list(dataset.mean), list(dataset.std))
    return floats.contiguous(memory_format=torch.channels_last)


def one_hot(labels: Tensor) -> Tensor:
    return functional.one_hot(labels, 10).float()


def mixed(images: Tensor, labels: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """With the image before it, the first with the last."""
    before = torch.arange(-1, len(images) - 1)
    return share * images + (1 - share) * images[before], share * labels + (1 - share) * labels[before]


@pytest.mark.parametrize("settings", [PAPER, WHOLE], ids=["paper", "whole recipe"])
def test_a_training_is_what_torchs_own_parts_make_of_it(tmp_path: Path, settings: dict[str, Any]) -> None:
    config = tiny(**settings)
    told, state, reference = run_to_end(config, tmp_path), final_state(tmp_path), Reference(config)
    reference.train()
    assert told.values("lr") == pytest.approx(reference.rates)
    assert told.values("train/loss") == pytest.approx(reference.losses, rel=1e-5)
    close(state["model"], reference.model)
    close(state["average"] or state["model"], reference.average.module)
    last = {name: told.values(name)[-1] for name in ("val/loss", "val/top1", "val/top5")}
    assert last == pytest.approx(reference.validation(), rel=1e-5)


def close(found: Mapping[str, Tensor], expected: nn.Module) -> None:
    for name, tensor in expected.state_dict().items():
        if tensor.is_floating_point():
            assert torch.allclose(found[name], tensor, rtol=1e-4, atol=5e-6), name


@pytest.mark.parametrize("sd", [False, True])
def test_statistics_taken_again_are_those_of_torchs_update_bn(sd: bool) -> None:
    """At full depth: torch's knows of no scaled branch, so its network has scaled weights."""
    config = tiny(sd=sd)
    reference = Reference(config)
    batches = list(reference.plan.batch_norm_batches(epoch=0))
    assert len(batches) == config.bn_reestimate
    again = reestimated(
        reference.model,
        batches,
        normalise=reference.plan.augment.plain,
        precision=Precision(Amp.OFF, CPU),
        obey=lambda: None,
    )
    theirs = build(depth=20, num_classes=10, seed=config.seed)
    for block, p in zip(theirs.blocks(), reference.model.survival, strict=True):
        block.conv2.weight.data *= p  # type: ignore[union-attr,operator]
    update_bn([normalised(reference.dataset, batch.images) for batch in batches], theirs)
    for name, statistic in theirs.named_buffers():
        assert torch.allclose(dict(again.named_buffers())[name].float(), statistic.float(), rtol=1e-4, atol=5e-6), name
    assert not again.training
