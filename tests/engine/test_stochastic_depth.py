from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.engine.parts import tiny
from worker.contract.config import Amp
from worker.engine import gradients
from worker.engine.compute import count_compute
from worker.engine.optimizer import sgd
from worker.engine.precision import Precision
from worker.engine.resnet import ResNet, Survival, build
from worker.engine.stochastic_depth import gates, survival_probabilities

FIRST_TRANSITION = 3  # of ResNet-20's blocks 0..8


@given(blocks=st.integers(1, 200), pL=st.floats(0.01, 1))
def test_survival_falls_in_a_line_to_its_last_value(blocks: int, pL: float) -> None:
    survival = survival_probabilities(blocks=blocks, pL=pL)
    assert survival[-1] == pytest.approx(pL)
    assert all(p == pytest.approx(1 - (block / blocks) * (1 - pL)) for block, p in enumerate(survival, start=1))


def test_the_first_block_may_be_dropped_too() -> None:
    assert survival_probabilities(blocks=4, pL=0.5) == (0.875, 0.75, 0.625, 0.5)


@given(seed=st.integers(0, 2**63 - 1), step=st.integers(0, 10**7))
def test_gates_are_a_pure_function_of_seed_and_step(seed: int, step: int) -> None:
    survival = survival_probabilities(blocks=9, pL=0.5)
    assert gates(seed=seed, step=step, survival=survival) == gates(seed=seed, step=step, survival=survival)
    assert gates(seed=seed, step=step, survival=(1.0,) * 9) == (True,) * 9


def test_each_gate_opens_as_often_as_it_should() -> None:
    survival = survival_probabilities(blocks=9, pL=0.5)
    drawn = torch.tensor([gates(seed=1, step=step, survival=survival) for step in range(4000)]).float()
    assert torch.allclose(drawn.mean(0), torch.tensor(survival), atol=0.03)
    correlations = torch.corrcoef(drawn.T) - torch.eye(9)
    assert correlations.abs().max() < 0.06


@pytest.mark.parametrize(
    ("depth", "multiply_adds", "kept"), [(50, 4.089e9, 0.763), (101, 7.801e9, 0.758), (152, 11.514e9, 0.755)]
)
def test_skipping_saves_what_was_computed_for_these_networks(depth: int, multiply_adds: float, kept: float) -> None:
    compute = count_compute(depth=depth, num_classes=1000, image_side=224)
    survival = survival_probabilities(blocks=len(compute.branches), pL=0.5)
    assert compute.full == pytest.approx(multiply_adds, rel=1e-3)
    assert compute.share(survival) == pytest.approx(kept, abs=5e-4)
    assert compute.share((True,) * len(survival)) == 1.0


@pytest.fixture
def model() -> ResNet:
    return build(depth=20, num_classes=10, survival=Survival(pL=0.5), seed=1)


def closed(*blocks: int) -> tuple[bool, ...]:
    return tuple(block not in blocks for block in range(9))


def modules_that_ran(model: ResNet, open_gates: tuple[bool, ...]) -> set[str]:
    ran: set[str] = set()

    def note(name: str) -> Any:
        return lambda *_: ran.add(name)

    handles = [module.register_forward_hook(note(name)) for name, module in model.named_modules()]
    model(torch.randn(2, 3, 8, 8), gates=open_gates)
    for handle in handles:
        handle.remove()
    return ran


def test_a_dropped_block_computes_nothing(model: ResNet) -> None:
    ran = modules_that_ran(model, closed(4))
    assert not {name for name in ran if name.startswith("stages.1.1.")}
    assert "stages.1.2.conv1" in ran


def test_a_dropped_transition_runs_its_first_norm_and_its_shortcut_only(model: ResNet) -> None:
    ran = modules_that_ran(model, closed(FIRST_TRANSITION))
    assert {name for name in ran if name.startswith("stages.1.0.")} == {"stages.1.0.bn1", "stages.1.0.shortcut"}


def test_a_dropped_bottleneck_transition_still_projects() -> None:
    model = build(depth=50, num_classes=10, survival=Survival(pL=0.5))
    images = torch.randn(1, 3, 32, 32)
    ran = []
    model.stages[0][0].shortcut.register_forward_hook(lambda *_: ran.append("shortcut"))  # type: ignore[index]
    model.stages[0][0].conv1.register_forward_hook(lambda *_: ran.append("branch"))  # type: ignore[index]
    model.eval()(images, gates=(False,) + (True,) * 15)
    assert ran == ["shortcut"]


def test_an_open_block_is_not_rescaled_in_training(model: ResNet) -> None:
    block = model.blocks()[1]
    assert block.survival < 1
    x = torch.randn(2, 16, 8, 8)
    block.train()
    assert torch.equal(block(x), x + block.branch(torch.relu(block.bn1(x))))


def test_branches_are_scaled_by_their_survival_at_test_time(model: ResNet) -> None:
    block = model.blocks()[8].eval()
    x = torch.randn(2, 64, 2, 2)
    assert block.survival == 0.5
    assert torch.equal(block(x), x + 0.5 * block.branch(torch.relu(block.bn1(x))))


def test_parameters_of_a_dropped_block_have_zero_gradients_and_still_move(model: ResNet) -> None:
    config = tiny(weight_decay=0.1)
    optimizer = sgd(model, config)
    precision = Precision(Amp.OFF, torch.device("cpu"))
    dropped = model.blocks()[4].conv1.weight
    assert isinstance(dropped, nn.Parameter)
    before = dropped.detach().clone()
    for _ in range(2):
        precision.backward(model(torch.randn(2, 3, 8, 8), gates=closed(4)).sum() * 1e-3)
        gradients.fill_absent(model)
        assert dropped.grad is not None
        assert not dropped.grad.any()
        precision.step(optimizer)
    # Decay alone: velocity v1 = 0.1 w0, w1 = w0 - lr v1; v2 = 0.9 v1 + 0.1 w1, w2 = w1 - lr v2, with lr 0.1.
    first = before * 0.99
    assert torch.allclose(dropped, first - 0.1 * (0.9 * 0.1 * before + 0.1 * first))
