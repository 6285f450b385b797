"""The networks against independent implementations, mapped weight by weight: timm's resnetv2, and a plain CIFAR one."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.engine.resnet import Block, ResNet, Survival, build, count_parameters
from worker.engine.stochastic_depth import Rows, survival_probabilities

with warnings.catch_warnings():
    # What timm and its dependencies warn of while they are imported is theirs.
    warnings.simplefilter("ignore")
    from timm.models.resnetv2 import ResNetV2, resnetv2_50, resnetv2_101, resnetv2_152

CLASSES = 7
THEIRS = {50: resnetv2_50, 101: resnetv2_101, 152: resnetv2_152}
#: In double precision, so that nothing but another computation can tell them apart.
CLOSE = {"rtol": 1e-9, "atol": 1e-10}


def their_name(name: str) -> str:
    name = re.sub(r"^stem\.0\.", "stem.conv.", name)
    name = re.sub(r"^stages\.(\d+)\.(\d+)\.", r"stages.\1.blocks.\2.", name)
    name = re.sub(r"\.bn(\d)\.", r".norm\1.", name)
    return name.replace("shortcut.", "downsample.conv.").replace("classifier.", "head.fc.")


def as_theirs(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their classifier is a convolution of one pixel."""
    named = {their_name(name): tensor for name, tensor in tensors.items()}
    if "head.fc.weight" in named:
        named["head.fc.weight"] = named["head.fc.weight"][:, :, None, None]
    return named


def ours(depth: int, survival: Survival | None = None) -> ResNet:
    """With norms that have been somewhere."""
    model = build(depth=depth, num_classes=CLASSES, survival=survival, seed=5).double()
    draws = np.random.default_rng(depth)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor, low, high in (
                (norm.weight.data, 0.5, 1.5),
                (norm.bias.data, -0.3, 0.3),
                (norm.running_mean, -0.5, 0.5),
                (norm.running_var, 0.5, 2.0),
            ):
                assert tensor is not None
                tensor.copy_(torch.from_numpy(draws.uniform(low, high, tensor.shape)))
    return model


def pair(depth: int, survival: Survival | None = None) -> tuple[ResNet, ResNetV2]:
    model = ours(depth, survival)
    theirs = THEIRS[depth](pretrained=False, num_classes=CLASSES).double()
    theirs.load_state_dict(as_theirs(model.state_dict()), strict=True)
    return model, theirs


def images(side: int = 64, count: int = 3) -> Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(count, 3, side, side)))


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], **CLOSE, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("depth", THEIRS)
def test_an_evaluation_gives_the_same_logits_with_the_same_weights(depth: int) -> None:
    model, theirs = pair(depth)
    assert count_parameters(model) == count_parameters(theirs)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(images()), theirs.eval()(images()), **CLOSE)


@pytest.mark.parametrize("side", [65, 96])
def test_odd_sides_are_cut_alike(side: int) -> None:
    model, theirs = pair(50)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(images(side)), theirs.eval()(images(side)), **CLOSE)


@pytest.mark.parametrize("depth", [50, 101])
def test_a_training_step_has_the_same_gradients_and_leaves_the_same_statistics(depth: int) -> None:
    model, theirs = pair(depth)
    labels = torch.tensor([1, 4, 2])
    for network in (model.train(), theirs.train()):
        functional.cross_entropy(network(images()), labels).backward()
    found = as_theirs(gradients(model))
    assert found.keys() == gradients(theirs).keys()
    same(found, gradients(theirs))
    same(as_theirs(model.state_dict()), theirs.state_dict())


def test_in_an_evaluation_each_branch_counts_as_much_as_it_survives() -> None:
    model, theirs = pair(50, Survival(pL=0.5))
    blocks = [block for stage in theirs.stages for block in stage.blocks]
    for block, p in zip(blocks, survival_probabilities(blocks=16, pL=0.5), strict=True):
        block.conv3.weight.data *= p
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(images()), theirs.eval()(images()), **CLOSE)


class Masked(nn.Module):
    """In the place of timm's own DropPath, with a mask that is known."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, branch: Tensor) -> Tensor:
        return branch * self.mask


def test_a_skipped_branch_is_one_that_is_multiplied_by_nothing() -> None:
    model, theirs = pair(50)
    pattern = [index not in (0, 2, 3, 8, 15) for index in range(16)]
    blocks = [block for stage in theirs.stages for block in stage.blocks]
    for block, is_open in zip(blocks, pattern, strict=True):
        block.drop_path = Masked(torch.tensor(float(is_open), dtype=torch.float64))
    labels = torch.tensor([1, 4, 2])
    functional.cross_entropy(model.train()(images(), gates=pattern), labels).backward()
    functional.cross_entropy(theirs.train()(images()), labels).backward()
    found, expected = as_theirs(gradients(model)), gradients(theirs)
    same(found, expected)
    # Transition blocks keep their first norm and projection; the others of these five have no gradient at all.
    absent = expected.keys() - found.keys()
    assert {name.rsplit(".", 2)[0] for name in absent} == {
        f"stages.{stage}.blocks.{block}" for stage, block in ((0, 0), (0, 2), (1, 0), (2, 1), (3, 2))
    }
    assert all(not expected[name].any() for name in absent)


def test_a_mask_over_images_is_laid_over_the_same_branches() -> None:
    model, theirs = pair(50)
    draws = np.random.default_rng(3).random((16, 3)) < 0.6
    blocks = [block for stage in theirs.stages for block in stage.blocks]
    gates = []
    for block, kept in zip(blocks, draws, strict=True):
        mask = torch.from_numpy(kept.astype(np.float64))[:, None, None, None]
        block.drop_path = Masked(mask)
        gates.append(Rows(int(kept.sum()), mask=mask))
    torch.testing.assert_close(model.train()(images(), gates=gates), theirs.train()(images()), **CLOSE)


def plain_cifar(model: ResNet, x: Tensor) -> Tensor:
    """He et al. 2016b for CIFAR, written out: shortcuts of option A, each norm from its statistics."""
    state = model.state_dict()

    def norm_relu(x: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{part}"][None, :, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / (var + 1e-5).sqrt() * weight + bias).clamp(min=0)

    x = functional.conv2d(x, state["stem.weight"], padding=1)
    for stage in range(3):
        for block in range((20 - 2) // 6):
            name = f"stages.{stage}.{block}"
            stride = 2 if stage and not block else 1
            activated = norm_relu(x, f"{name}.bn1")
            hidden = functional.conv2d(activated, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            hidden = functional.conv2d(norm_relu(hidden, f"{name}.bn2"), state[f"{name}.conv2.weight"], padding=1)
            if stride == 2:
                small = activated[:, :, ::2, ::2]
                x = torch.cat([small, torch.zeros_like(small)], dim=1)
            x = x + hidden
    return norm_relu(x, "norm").mean((2, 3)) @ state["classifier.weight"].T + state["classifier.bias"]


def test_the_cifar_network_is_what_is_written_out() -> None:
    model = ours(20).eval()
    assert all(isinstance(block, Block) for block in model.blocks())
    with torch.no_grad():
        torch.testing.assert_close(model(images(32)), plain_cifar(model, images(32)), **CLOSE)
