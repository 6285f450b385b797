"""A network's weights alone, as safetensors: with timm's names, and ready for a network that knows no survival.

In an evaluation the branch of block l is multiplied by p_l (Huang et al. 2016, section 3). Its last convolution has no
bias and nothing follows it, so p_l goes into that convolution's weights, and any pre-activation ResNet computes the
same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from worker.engine import resnet
from worker.engine.resnet import ResNet

#: What timm calls the bottleneck networks; it has none for CIFAR, whose weights keep the names that they have here.
TIMM_MODELS = {50: "resnetv2_50", 101: "resnetv2_101", 152: "resnetv2_152"}
#: Ours and timm's, each for the other's direction.
_NAMES = (
    (r"^stem\.0\.", r"^stem\.conv\.", "stem.conv.", "stem.0."),
    (r"^stages\.(\d+)\.(\d+)\.", r"^stages\.(\d+)\.blocks\.(\d+)\.", r"stages.\1.blocks.\2.", r"stages.\1.\2."),
    (r"\.bn(\d)\.", r"\.norm(\d)\.", r".norm\1.", r".bn\1."),
    (r"\.shortcut\.", r"\.downsample\.conv\.", ".downsample.conv.", ".shortcut."),
    (r"^classifier\.", r"^head\.fc\.", "head.fc.", "classifier."),
)


def folded(network: ResNet) -> dict[str, Tensor]:
    """Its weights and statistics by their names here, the survival probabilities multiplied in."""
    tensors = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    names = {block: name for name, block in network.named_modules()}
    for block in network.blocks():
        tensors[f"{names[block]}.{resnet.last_convolution_of(block)}.weight"] *= block.test_scale
    return tensors


def by_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a bottleneck network by timm's names; its classifier is a convolution of one pixel."""
    named = {_renamed(name, to_timm=True): tensor for name, tensor in tensors.items()}
    return named | {"head.fc.weight": named["head.fc.weight"][:, :, None, None]}


def write(network: ResNet, *, depth: int, facts: Mapping[str, str], path: Path) -> None:
    from safetensors.torch import save

    tensors = by_timm(folded(network)) if depth in TIMM_MODELS else folded(network)
    architecture = TIMM_MODELS.get(depth, f"CIFAR ResNet-{depth}")
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    # safetensors itself makes files that their owner alone can read, whatever the umask.
    path.write_bytes(save(contiguous, metadata={**facts, "architecture": architecture}))


def read(path: Path, *, depth: int) -> ResNet:
    """The network of a written file, in evaluation mode; every branch counts as it stands."""
    from safetensors.torch import load_file

    tensors = load_file(path)
    if depth in TIMM_MODELS:
        tensors = {_renamed(name, to_timm=False): tensor for name, tensor in tensors.items()}
        tensors["classifier.weight"] = tensors["classifier.weight"].flatten(1)
    network = resnet.build(depth=depth, num_classes=len(tensors["classifier.bias"]))
    network.load_state_dict(tensors)
    return network.eval()


def _renamed(name: str, *, to_timm: bool) -> str:
    for ours, theirs, into_theirs, into_ours in _NAMES:
        name = re.sub(ours, into_theirs, name) if to_timm else re.sub(theirs, into_ours, name)
    return name
