"""The runs of a comparison: one of each arm for each seed, alike in all but what the arm changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from worker.contract.arms import USUAL_ARMS, ArmSpec
from worker.contract.config import RunConfig
from worker.contract.design import arm_configs
from worker.engine.results import ResultsFolder

#: Of an arm's name, in the name of a folder: what no filesystem and no shell takes for something else stays.
_NOT_IN_A_FOLDER = re.compile(r"[^A-Za-z0-9._=-]+")


@dataclass(frozen=True)
class Arm:
    """One run, in the folder `<root>/<key>`; what its process says goes to a file beside that."""

    seed: int
    name: str
    key: str
    config: RunConfig
    root: Path

    @property
    def title(self) -> str:
        return f"seed {self.seed} {self.name}"

    @property
    def folder(self) -> ResultsFolder:
        return ResultsFolder(self.root / self.key)

    @property
    def output(self) -> Path:
        return output_of(self.root, self.key)

    def command(self) -> list[str]:
        """What follows `python -m worker.engine` to train it alone."""
        return ["train", "--out", str(self.folder.root), *typed(self.config)]


def arms_of(config: RunConfig, *, seeds: Sequence[int], root: Path, arms: Sequence[ArmSpec] = USUAL_ARMS) -> list[Arm]:
    """In the order in which they are trained. Raises DesignRefused where an arm's settings do not fit together."""
    return [
        Arm(seed=seed, name=arm.name, key=key, config=own, root=root)
        for seed in seeds
        for arm, key, own in zip(arms, keys_of(arms, [seed]), arm_configs(arms, config, seed=seed), strict=True)
    ]


def keys_of(arms: Sequence[ArmSpec], seeds: Sequence[int]) -> list[str]:
    """Of all runs, in their order: `seed-4/baseline`."""
    folders = folder_names([arm.name for arm in arms])
    return [f"seed-{seed}/{folder}" for seed in seeds for folder in folders]


def output_of(root: Path, key: str) -> Path:
    return root / f"{key}.out"


def folder_names(names: Sequence[str]) -> list[str]:
    """Each arm's, always the same for the same arms; no two are one folder where letters have no case."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        plain = _NOT_IN_A_FOLDER.sub("-", name).strip("-.") or "arm"
        numbered = chain([plain], (f"{plain}-{number}" for number in count(2)))
        found.append(next(one for one in numbered if not _with_output(one) & taken))
        taken |= _with_output(found[-1])
    return found


def _with_output(folder: str) -> set[str]:
    return {folder.lower(), f"{folder}.out".lower()}


def typed(config: RunConfig) -> list[str]:
    """The command line's options that make `config`; defaults are left out, but not the dataset's.

    What it is by default depends on whether a folder is named.
    """
    defaults = {**RunConfig().model_dump(mode="json"), "dataset": None}
    given = {name: value for name, value in config.model_dump(mode="json").items() if value != defaults[name]}
    return [f"--{name}={'none' if value is None else value}" for name, value in given.items()]
