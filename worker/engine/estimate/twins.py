"""What is estimated: a baseline and its twin with stochastic depth, as a comparison trains them."""

from __future__ import annotations

from worker.contract.arms import USUAL_ARMS
from worker.contract.config import RunConfig

NAMES = tuple(arm.name for arm in USUAL_ARMS)


def twin(config: RunConfig, name: str) -> RunConfig:
    """The arm of this name, alike in all else. Raises ValidationError."""
    return next(arm for arm in USUAL_ARMS if arm.name == name).config(config, seed=config.seed)
