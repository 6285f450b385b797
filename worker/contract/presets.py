"""Ready configurations for the form and the command line; each says what it is good for."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from worker.contract.config import RunConfig


class Preset(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    description: str
    config: RunConfig


def _preset(name: str, title: str, description: str, **settings: Any) -> Preset:
    return Preset(name=name, title=title, description=description, config=RunConfig.model_validate(settings))


_IMAGENET: dict[str, Any] = {"dataset": "imagefolder", "data_dir": "/data/imagenet", "loader_workers": 8}
_CIFAR: dict[str, Any] = {
    "dataset": "cifar10",
    "data_dir": "/data/cifar10",
    "depth": 110,
    "epochs": 500,
    "batch": 128,
    "lr": 0.1,
    "loader_workers": 2,
}

PRESETS: tuple[Preset, ...] = (
    _preset(
        "demo",
        "Digits in two minutes",
        "ResNet-20 on the digits that scikit-learn ships: no download, curves within seconds on a CPU.",
        dataset="digits",
        depth=20,
        epochs=10,
        batch=32,
        lr=0.1,
        warmup_epochs=1,
        bn_reestimate=20,
        log_every=4,
    ),
    _preset(
        "cifar10-resnet110",
        "CIFAR-10, ResNet-110",
        "The paper's network for CIFAR-10, 500 epochs (Huang et al. 2016, section 4).",
        **_CIFAR,
    ),
    *(
        _preset(
            f"imagenet-resnet{depth}",
            f"ImageNet, ResNet-{depth}",
            f"Pre-activation ResNet-{depth}, 90 epochs at 224 px; data_dir holds train/ and val/ in class folders.",
            depth=depth,
            **_IMAGENET,
        )
        for depth in (50, 101, 152)
    ),
)
