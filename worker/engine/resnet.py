"""Pre-activation ResNets (He et al. 2016b) whose residual branches can be skipped, and their keyed first weights.

Every unit is norm, ReLU, convolution. Identity shortcuts take the raw input; a block that changes shape applies its
shortcut to its first norm and ReLU, so those run even when the branch is skipped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from worker.contract.config import RunConfig
from worker.engine.gathering import added_back, taken_out
from worker.engine.keys import generator
from worker.engine.stochastic_depth import Gate, Gates, survival_probabilities

Scale = Literal["test", "train"]

CIFAR_WIDTHS = (16, 32, 64)
BOTTLENECK_STAGES = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
BOTTLENECK_WIDTHS = (64, 128, 256, 512)
EXPANSION = 4


class Block(nn.Module):
    """A residual block that survives with `survival`.

    Its branch is multiplied by `test_scale` in an evaluation and by `train_scale` where it runs in training; the paper
    has p_l and 1 (section 3), torchvision's and timm's masks 1 and 1/p_l.
    """

    bn1: nn.BatchNorm2d
    shortcut: nn.Module | None

    def __init__(self) -> None:
        super().__init__()
        self.set_survival(1.0)

    def set_survival(self, survival: float, *, scale: Scale = "test") -> None:
        self.survival = survival
        self.test_scale = survival if scale == "test" else 1.0
        self.train_scale = 1.0 / survival if scale == "train" else 1.0

    def forward(self, x: Tensor, *, gate: Gate = True) -> Tensor:
        if self.shortcut is None:
            return self._gated(x, x, gate)
        activated = relu(self.bn1(x))
        return self._gated(self.shortcut(activated), activated, gate)

    def has_work(self, gate: Gate) -> bool:
        """Whether anything is to be computed. A compiled block must not be called otherwise: torch gives up compiling
        a function, for all blocks, when the first call that it sees computes nothing."""
        return self.shortcut is not None or (gate if isinstance(gate, bool) else gate.images > 0)

    def branch(self, activated: Tensor) -> Tensor:
        """What comes after the first norm and ReLU."""
        raise NotImplementedError

    def _gated(self, shortcut: Tensor, inputs: Tensor, gate: Gate) -> Tensor:
        if isinstance(gate, bool):
            return shortcut + self._residual(inputs) if gate else shortcut
        if gate.mask is not None:
            return shortcut + self._residual(inputs) * gate.mask.to(shortcut.dtype)
        assert gate.kept is not None
        assert gate.places is not None
        # Their number is not looked at: a compiled block would be compiled anew for each.
        inputs = _by_pixel(taken_out(_by_pixel(inputs), kept=gate.kept, places=gate.places), back=True)
        residual = _by_pixel(self._residual(inputs).to(shortcut.dtype))
        sums = added_back(_by_pixel(shortcut), residual, kept=gate.kept, places=gate.places)
        return _by_pixel(sums, back=True)

    def _residual(self, inputs: Tensor) -> Tensor:
        branch = self.branch(relu(self.bn1(inputs)) if self.shortcut is None else inputs)
        scale = self.train_scale if self.training else self.test_scale
        return branch if scale == 1.0 else branch * scale


def _by_pixel(x: Tensor, *, back: bool = False) -> Tensor:
    """The same images as [N, H, W, C], and `back`: torch's indexing gives up channels_last, and this keeps it."""
    return x.permute(0, 3, 1, 2) if back else x.permute(0, 2, 3, 1)


class BasicBlock(Block):
    """Two 3x3 convolutions; the shortcut of a CIFAR network has no parameters."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = _conv(inputs, outputs, 3, stride=stride)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv(outputs, outputs, 3)
        self.shortcut = None if inputs == outputs and stride == 1 else PaddedShortcut(outputs - inputs, stride)

    def branch(self, activated: Tensor) -> Tensor:
        hidden = relu(self.bn2(self.conv1(activated)))
        outputs: Tensor = self.conv2(hidden)
        return outputs


class Bottleneck(Block):
    """1x1, 3x3 with the stride, 1x1; the shortcut projects where the shape changes, without a norm of its own."""

    def __init__(self, inputs: int, width: int, *, stride: int) -> None:
        super().__init__()
        outputs = width * EXPANSION
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = _conv(inputs, width, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride=stride)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = _conv(width, outputs, 1)
        self.shortcut = None if inputs == outputs and stride == 1 else _conv(inputs, outputs, 1, stride=stride)

    def branch(self, activated: Tensor) -> Tensor:
        hidden = relu(self.bn2(self.conv1(activated)))
        hidden = relu(self.bn3(self.conv2(hidden)))
        outputs: Tensor = self.conv3(hidden)
        return outputs


class PaddedShortcut(nn.Module):
    """The paper's parameter-free shortcut: every `stride`-th pixel, new channels zero (He et al. 2016, option A)."""

    def __init__(self, new_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels = new_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))


class ResNet(nn.Module):
    """[N, 3, H, W] -> [N, classes]. `gates` says which blocks run in this pass; None runs them all.

    Only open gates are worth something in an evaluation, where every block runs.
    """

    def __init__(self, stem: nn.Module, stages: nn.Sequential, *, features: int, num_classes: int) -> None:
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.norm = nn.BatchNorm2d(features)
        self.classifier = nn.Linear(features, num_classes)

    def forward(self, x: Tensor, *, gates: Gates | None = None) -> Tensor:
        blocks = self.blocks()
        x = self.stem(x)
        for block, gate in zip(blocks, gates or (True,) * len(blocks), strict=True):
            if block.has_work(gate):
                x = block(x, gate=gate)
        # A mean, and not AdaptiveAvgPool2d, whose backward pass on CUDA is not deterministic.
        logits: Tensor = self.classifier(relu(self.norm(x)).mean((2, 3)))
        return logits

    def blocks(self) -> list[Block]:
        """All residual blocks in the order in which they run; block l of the paper is `blocks()[l - 1]`."""
        return [block for stage in self.stages for block in stage]  # type: ignore[attr-defined]

    @property
    def survival(self) -> tuple[float, ...]:
        return tuple(block.survival for block in self.blocks())


@dataclass(frozen=True)
class Survival:
    """How blocks survive: the last one with `pL`; `transitions` says whether those that change the shape drop too."""

    pL: float = 1.0
    scale: Scale = "test"
    transitions: bool = True


def survival_rule(config: RunConfig) -> Survival:
    """What `config` says; without stochastic depth every block survives."""
    return Survival(pL=config.pL if config.sd else 1.0, scale=config.sd_scale, transitions=config.sd_transitions)


def build(
    *, depth: int, num_classes: int, survival: Survival | None = None, zero_init: bool = False, seed: int = 0
) -> ResNet:
    """A network on the CPU with its first weights; twins with and without stochastic depth start from the same ones."""
    model = skeleton(depth=depth, num_classes=num_classes, survival=survival).to_empty(device="cpu")
    initialise(model, seed=seed, zero_init=zero_init)
    return model


def skeleton(*, depth: int, num_classes: int, survival: Survival | None = None) -> ResNet:
    """The network on torch's meta device: shapes without memory, for `build` and for counting."""
    counts = BOTTLENECK_STAGES.get(depth) or ((depth - 2) // 6,) * 3
    with torch.device("meta"):
        model = _bottleneck(counts, num_classes) if depth in BOTTLENECK_STAGES else _cifar(counts, num_classes)
    _set_survival(model, survival or Survival())
    return model


def _set_survival(model: ResNet, survival: Survival) -> None:
    blocks = model.blocks()
    for block, p in zip(blocks, survival_probabilities(blocks=len(blocks), pL=survival.pL), strict=True):
        is_kept = block.shortcut is not None and not survival.transitions
        block.set_survival(1.0 if is_kept else p, scale=survival.scale)


def initialise(model: ResNet, *, seed: int, zero_init: bool = False) -> None:
    """He et al. 2015 by fan-out for convolutions; norms 1 and 0; a classifier of unit gain without bias.

    Each weight depends on (seed, its name) alone. `zero_init` starts every block as the identity (Goyal et al. 2017).
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * math.prod(module.kernel_size)
            _fill(module.weight, seed=seed, name=f"{name}.weight", std=math.sqrt(2.0 / fan_out))
    _fill(model.classifier.weight, seed=seed, name="classifier.weight", std=model.classifier.in_features**-0.5)
    nn.init.zeros_(model.classifier.bias)
    if zero_init:
        for block in model.blocks():
            nn.init.zeros_(getattr(block, last_convolution_of(block)).weight)


def count_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _fill(weight: Tensor, *, seed: int, name: str, std: float) -> None:
    with torch.no_grad():
        weight.normal_(0.0, std, generator=generator("weight", seed, name))


def last_convolution_of(block: Block) -> str:
    """The name of the convolution that ends the branch."""
    return "conv3" if isinstance(block, Bottleneck) else "conv2"


def _cifar(counts: tuple[int, ...], num_classes: int) -> ResNet:
    stages = []
    inputs = CIFAR_WIDTHS[0]
    for stage, (width, count) in enumerate(zip(CIFAR_WIDTHS, counts, strict=True)):
        blocks = []
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            blocks.append(BasicBlock(inputs, width, stride=stride))
            inputs = width
        stages.append(nn.Sequential(*blocks))
    return ResNet(_conv(3, CIFAR_WIDTHS[0], 3), nn.Sequential(*stages), features=inputs, num_classes=num_classes)


def _bottleneck(counts: tuple[int, ...], num_classes: int) -> ResNet:
    stages = []
    inputs = BOTTLENECK_WIDTHS[0]
    for stage, (width, count) in enumerate(zip(BOTTLENECK_WIDTHS, counts, strict=True)):
        blocks = []
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            blocks.append(Bottleneck(inputs, width, stride=stride))
            inputs = width * EXPANSION
        stages.append(nn.Sequential(*blocks))
    stem = nn.Sequential(_conv(3, BOTTLENECK_WIDTHS[0], 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
    return ResNet(stem, nn.Sequential(*stages), features=inputs, num_classes=num_classes)


def _conv(inputs: int, outputs: int, size: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
