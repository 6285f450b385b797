from __future__ import annotations

import pytest
import torch

from worker.engine.resnet import Survival, build, count_parameters, skeleton


@pytest.mark.parametrize(
    ("depth", "num_classes", "parameters", "blocks"),
    [
        (50, 1000, 25_549_352, 16),
        (101, 1000, 44_541_480, 33),
        (152, 1000, 60_185_128, 50),
        (110, 10, 1_727_962, 54),
        (20, 10, 269_722, 9),
    ],
)
def test_networks_have_the_published_sizes(depth: int, num_classes: int, parameters: int, blocks: int) -> None:
    model = skeleton(depth=depth, num_classes=num_classes)
    assert count_parameters(model) == parameters
    assert len(model.blocks()) == blocks


@pytest.mark.parametrize("depth", [32, 44, 56])
def test_cifar_networks_are_as_deep_as_they_say(depth: int) -> None:
    model = skeleton(depth=depth, num_classes=10)
    convolutions = [name for name, weight in model.named_parameters() if weight.ndim == 4]
    assert len(convolutions) + 1 == depth


def test_children_carry_the_names_of_the_field() -> None:
    names = [name for name, _ in skeleton(depth=50, num_classes=10).named_children()]
    assert names == ["stem", "stages", "norm", "classifier"]
    block = skeleton(depth=50, num_classes=10).blocks()[0]
    assert [name for name, _ in block.named_children()] == ["bn1", "conv1", "bn2", "conv2", "bn3", "conv3", "shortcut"]


@pytest.mark.parametrize(("depth", "side"), [(20, 32), (20, 9), (50, 32), (50, 75)])
def test_any_image_size_gives_logits(depth: int, side: int) -> None:
    model = build(depth=depth, num_classes=7).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 3, side, side)).shape == (2, 7)


def test_weights_depend_on_the_seed_and_their_name_alone() -> None:
    twin, deeper, other = (
        build(depth=20, num_classes=10),
        build(depth=32, num_classes=5),
        build(depth=20, num_classes=10, seed=1),
    )
    first = build(depth=20, num_classes=10, survival=Survival(pL=0.5)).state_dict()
    assert all(torch.equal(value, first[name]) for name, value in twin.state_dict().items())
    assert torch.equal(deeper.state_dict()["stages.0.0.conv1.weight"], first["stages.0.0.conv1.weight"])
    assert not torch.equal(other.state_dict()["stem.weight"], first["stem.weight"])


def test_building_leaves_torchs_own_generator_alone() -> None:
    before = torch.get_rng_state()
    build(depth=20, num_classes=10)
    assert torch.equal(before, torch.get_rng_state())


def test_weights_are_spread_as_he_et_al_say() -> None:
    weight = build(depth=110, num_classes=10).state_dict()["stages.2.5.conv1.weight"]
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert abs(weight.mean().item()) < 1e-3


def test_zero_init_starts_every_block_as_the_identity() -> None:
    block = build(depth=20, num_classes=10, zero_init=True).blocks()[1]
    x = torch.randn(2, 16, 8, 8)
    assert torch.equal(block(x), x)
