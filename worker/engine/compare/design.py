"""What is compared and how it is run, as it was asked for and as the folder records it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from worker.contract.arms import USUAL_ARMS, ArmSpec, is_usual
from worker.contract.config import RunConfig
from worker.contract.plan import Plan, Stopping
from worker.engine.compare.arms import Arm, arms_of
from worker.engine.compare.placement import Mode
from worker.evidence import verdict as evidence

#: The first version knew only a baseline and its twin, and the usual plan; it goes on with a comparison of these.
FORMAT, FIRST_FORMAT = 2, 1


@dataclass(frozen=True)
class Design:
    """`config` is the arms' own but for what they change. `seeds` are all that are trained.

    `planned` are those that were settled before the first run; None for all of them.
    """

    mode: Mode
    gpu_split: bool
    seeds: tuple[int, ...]
    config: RunConfig
    arms: tuple[ArmSpec, ...] = USUAL_ARMS
    plan: Plan = field(default_factory=Plan)
    planned: tuple[int, ...] | None = None

    @property
    def is_sequential(self) -> bool:
        return self.plan.stopping is Stopping.SEQUENTIAL

    @property
    def settled_seeds(self) -> tuple[int, ...]:
        """Those by which the plan decides: a sequential one by all that it took."""
        return self.seeds if self.planned is None or self.is_sequential else self.planned

    @property
    def judged(self) -> evidence.Design:
        names = tuple(arm.name for arm in self.arms)
        return evidence.Design(arms=names, seeds=self.settled_seeds, plan=self.plan)

    def with_seed(self, seed: int) -> Design:
        return replace(self, seeds=(*self.seeds, seed))

    def runs(self, root: Path, seeds: tuple[int, ...] | None = None) -> list[Arm]:
        """Of all seeds, or of these. Raises DesignRefused where an arm's settings do not fit together."""
        return arms_of(self.config, seeds=self.seeds if seeds is None else seeds, root=root, arms=self.arms)

    def common_config(self) -> RunConfig:
        """What the arms share; a setting that each of them changes has its default."""
        changed = set.intersection(*(set(arm.settings) for arm in self.arms)) | {"seed"}
        return self.config.model_copy(update={name: getattr(RunConfig(), name) for name in changed})

    def as_json(self) -> dict[str, Any]:
        is_first = is_usual(self.arms) and self.plan == Plan()
        return {
            "format": FIRST_FORMAT if is_first else FORMAT,
            "mode": self.mode,
            "gpu_split": self.gpu_split,
            "seeds": list(self.seeds),
            "planned": list(self.settled_seeds),
            "arms": [arm.model_dump(mode="json") for arm in self.arms],
            "plan": self.plan.model_dump(mode="json"),
            "config": self.common_config().model_dump(mode="json"),
        }
