"""Whether what is under a checkpoint's seal is a training's whole state: every value and tensor that a resume takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from torch import Tensor

from worker.contract.config import RunConfig
from worker.contract.errors import field_errors
from worker.engine import resnet
from worker.engine.data.images import Dataset
from worker.engine.meters import SUMS


def _no_tensor(value: object) -> object:
    """pydantic takes a tensor of one number for a number, and the summary cannot be written with one."""
    if isinstance(value, Tensor):
        raise ValueError("is a tensor, where a number is wanted")
    return value


#: What fits into a tensor; no training makes more steps.
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Number = Annotated[float, BeforeValidator(_no_tensor), Field(allow_inf_nan=False)]
SCALER = frozenset({"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"})


class Misfit(ValueError):
    """Says which of the contents are not what a training needs."""


class _Values(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", arbitrary_types_allowed=True)


class _Best(_Values):
    top1: Annotated[Number, Field(ge=0.0, le=100.0)]
    step: Count


class _DepthMeter(_Values):
    steps: Count
    blocks: Number
    compute: Number


class _Meter(_Values):
    sums: Tensor


class _Contents(_Values):
    step: Count
    micro: Count
    evaluated: Count
    best: _Best | None
    model: dict[str, Tensor]
    average: dict[str, Tensor] | None
    momentum: dict[str, Tensor]
    gradients: dict[str, list[Tensor | None]]
    scaler: dict[str, Number]
    meter: _Meter
    depth_meter: _DepthMeter
    elapsed_seconds: Annotated[Number, Field(ge=0.0)]
    damaged: list[str]
    #: Not in those of earlier versions.
    faint: list[str] = Field(default=[])
    config: dict[str, Any]
    images: str
    classes: Annotated[list[str], Field(min_length=1)]
    device: str
    #: More do not fit what torch takes.
    threads: Annotated[int, Field(ge=1, lt=1 << 31)]
    ranks: Annotated[int, Field(ge=1)]
    versions: dict[str, str]


def refuse_misfit(content: Mapping[str, Any], *, dataset: Dataset | None = None) -> None:
    """Raises Misfit. Looks at shapes, kinds and finiteness; that the numbers are the right ones, the seal says.

    With the `dataset` that it was made with also at whether the settings allow as many steps.
    """
    try:
        found = _Contents.model_validate(dict(content))
        config = RunConfig.model_validate(found.config)
    except ValidationError as error:
        raise Misfit(_first(error)) from error
    _refuse_places(found, config, dataset)
    # On no device: shapes without memory.
    network = resnet.skeleton(depth=config.depth, num_classes=len(found.classes))
    _refuse_tensors("model", found.model, network.state_dict())
    if (found.average is None) != (config.ema is None):
        raise Misfit(f"average is {'absent' if found.average is None else 'there'}, and ema is {config.ema}")
    if found.average is not None:
        _refuse_tensors("average", found.average, network.state_dict())
    parameters = dict(network.named_parameters())
    _refuse_tensors("momentum", found.momentum, parameters if config.momentum else {})
    _refuse_gradients(found, parameters)
    if found.micro >= config.accumulation:
        raise Misfit(f"micro is {found.micro} of {config.accumulation} micro-batches")
    if found.scaler and found.scaler.keys() != SCALER:
        raise Misfit("scaler is no gradient scaler's state")
    sums = torch.empty((found.ranks, SUMS), dtype=torch.float64, device="meta")
    _refuse_tensor(f"the meter's sums of {found.ranks} ranks", found.meter.sums, sums)


def _refuse_places(found: _Contents, config: RunConfig, dataset: Dataset | None) -> None:
    if found.evaluated > config.epochs:
        raise Misfit(f"evaluated is epoch {found.evaluated} of {config.epochs}")
    if found.best is not None and found.best.step > found.step:
        raise Misfit(f"best is of step {found.best.step}, and it holds step {found.step}")
    if dataset is None or dataset.fingerprint != found.images:
        return
    steps_per_epoch = len(dataset.train) // config.batch
    total = config.epochs * steps_per_epoch
    if (found.step, found.micro) > (total, 0):
        raise Misfit(f"it holds step {found.step}, and its settings end with step {total}")
    if found.evaluated * steps_per_epoch > found.step:
        raise Misfit(f"evaluated is epoch {found.evaluated}, which ends after step {found.step}")
    if found.best is not None and found.best.step > found.evaluated * steps_per_epoch:
        raise Misfit(f"best is of step {found.best.step}, and evaluated is no epoch after {found.evaluated}")


def _refuse_gradients(found: _Contents, parameters: Mapping[str, Tensor]) -> None:
    if strange := found.gradients.keys() - parameters.keys():
        raise Misfit(f"gradients has {min(strange)!r}, which the network does not have")
    for name, parts in found.gradients.items():
        if len(parts) != found.ranks:
            raise Misfit(f"gradients has {len(parts)} parts of {name!r} for {found.ranks} ranks")
        for part in parts:
            if part is not None:
                # In fp16 they may overflow, which its scaler sees to at the step.
                _refuse_tensor(f"gradients of {name!r}", part, parameters[name], is_finite=not found.scaler)


def _refuse_tensors(what: str, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    if missing := wanted.keys() - found.keys():
        raise Misfit(f"{what} lacks {min(missing)!r}")
    if strange := found.keys() - wanted.keys():
        raise Misfit(f"{what} has {min(strange)!r}, which the network does not have")
    for name, tensor in found.items():
        _refuse_tensor(f"{what}'s {name!r}", tensor, wanted[name])


def _refuse_tensor(what: str, found: Tensor, wanted: Tensor, *, is_finite: bool = True) -> None:
    """`wanted` may be without numbers. Asks for the kind first, as other kinds have no shape, or cannot be counted."""
    if kind := _other_kind(found):
        raise Misfit(f"{what} is a {kind} tensor, where a dense one is wanted")
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        raise Misfit(
            f"{what} is {found.dtype} {list(found.shape)}, and a training's is {wanted.dtype} {list(wanted.shape)}"
        )
    if is_finite and found.is_floating_point() and not torch.isfinite(found).all():
        raise Misfit(f"{what} has numbers that are not finite")


def _other_kind(found: Tensor) -> str | None:
    """What keeps `found` from being numbers in memory, one beside the other. Some have no layout to ask for."""
    if found.is_nested:
        return "nested"
    if found.is_quantized:
        return "quantized"
    if found.device.type != "cpu":
        return found.device.type
    return None if found.layout is torch.strided else str(found.layout).removeprefix("torch.")


def _first(error: ValidationError) -> str:
    name, why = next(iter(field_errors(error).items()))
    return f"{name}: {why}"
