"""Ready configurations for the form and the command line; each says what it is good for."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from worker.contract.config import RunConfig


class Preset(BaseModel):
    """`published` is what others report for such a recipe, and `source` where; nothing of it was measured here."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    description: str
    config: RunConfig
    published: str = ""
    source: str = ""


def _preset(
    name: str, title: str, description: str, *, published: tuple[str, str] = ("", ""), **settings: Any
) -> Preset:
    return Preset(
        name=name,
        title=title,
        description=description,
        published=published[0],
        source=published[1],
        config=RunConfig.model_validate(settings),
    )


_DEMO = _preset(
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
)

_PAPER = "Huang et al. 2016, Deep Networks with Stochastic Depth"
_CIFAR: dict[str, Any] = {
    "dataset": "cifar10",
    "data_dir": "/data/cifar10",
    "depth": 110,
    "epochs": 500,
    "batch": 128,
    "lr": 0.1,
    "nesterov": True,
}
_CIFAR_DEPARTS = (
    "Other than there: warmup and a cosine instead of two steps, pre-activation blocks, and all 50,000 training "
    "images, where the paper holds 5,000 back to choose the epoch."
)
_CIFAR_PRESETS = (
    _preset(
        "cifar10-resnet110",
        "CIFAR-10, ResNet-110",
        f"The paper's network and batches at constant depth, 500 epochs. {_CIFAR_DEPARTS}",
        published=("93.59 % top-1 (6.41 % error), in 20 h 42 min", f"{_PAPER}, tables 1 and 2"),
        **_CIFAR,
    ),
    _preset(
        "cifar10-resnet110-sd",
        "CIFAR-10, ResNet-110 + SD",
        f"The paper's network and batches with stochastic depth, pL 0.5, 500 epochs. {_CIFAR_DEPARTS}",
        published=("94.75 % top-1 (5.25 % error), in 15 h 7 min", f"{_PAPER}, tables 1 and 2"),
        sd=True,
        **_CIFAR,
    ),
)

_IMAGENET: dict[str, Any] = {
    "dataset": "imagenet",
    "data_dir": "/data/imagenet",
    "epochs": 90,
    "batch": 256,
    "color_jitter": 0.4,
}
_BASELINES = {50: "76.13", 101: "77.37", 152: "78.31"}
_COMPOSER = "Composer, method card of stochastic depth by blocks"
_WITH_SD = {
    50: ("about the baseline's top-1 in 5 % less time at pL 0.8; not known at 0.5", _COMPOSER),
    101: ("top-1 within 0.1 % of the baseline's in 10 % less time at pL 0.6; not known at 0.5", _COMPOSER),
    152: (
        "76.62 % top-1 against 76.94 % without after 90 epochs, 78.02 % against 78.22 % after 120",
        f"{_PAPER}, section 4; batch 128, post-activation, lr in steps",
    ),
}
_COMBINED = ("not known for this combination", "no such run is among the published ones")


def _imagenet_presets(depth: int) -> tuple[Preset, ...]:
    name, title = f"imagenet-resnet{depth}", f"ImageNet, ResNet-{depth}"
    recipe = _IMAGENET | {"depth": depth}
    return (
        _preset(
            name,
            title,
            "Pre-activation network at constant depth, 90 epochs at 224 px.",
            published=(
                f"{_BASELINES[depth]} % top-1 after 90 epochs",
                "torchvision, weights IMAGENET1K_V1; post-activation, lr in steps, no colour jitter",
            ),
            **recipe,
        ),
        _preset(
            f"{name}-sd",
            f"{title} + SD",
            "With stochastic depth, pL 0.5, 90 epochs at 224 px.",
            published=_WITH_SD[depth],
            sd=True,
            **recipe,
        ),
        _preset(
            f"{name}-sd-mixup",
            f"{title} + SD + MixUp + label smoothing",
            "With stochastic depth, MixUp 0.2 and label smoothing 0.1, 90 epochs at 224 px.",
            published=_COMBINED,
            sd=True,
            mixup=0.2,
            label_smoothing=0.1,
            **recipe,
        ),
    )


PRESETS: tuple[Preset, ...] = (
    _DEMO,
    *_CIFAR_PRESETS,
    *(preset for depth in (50, 101, 152) for preset in _imagenet_presets(depth)),
)
