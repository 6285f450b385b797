"""The runs of a comparison: for each seed a baseline and its twin with stochastic depth, alike in all else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.contract.config import RunConfig
from worker.engine.results import ResultsFolder

BASELINE, SD = "baseline", "sd"
NAMES = (BASELINE, SD)


@dataclass(frozen=True)
class Arm:
    """One run, in the folder `<root>/seed-<seed>/<name>`; what its process says goes to a file beside that."""

    seed: int
    name: str
    config: RunConfig
    root: Path

    @property
    def key(self) -> str:
        return f"seed-{self.seed}/{self.name}"

    @property
    def title(self) -> str:
        return f"seed {self.seed} {self.name}"

    @property
    def folder(self) -> ResultsFolder:
        return ResultsFolder(self.root / self.key)

    @property
    def output(self) -> Path:
        return self.root / f"{self.key}.out"

    def command(self) -> list[str]:
        """What follows `python -m worker.engine` to train it alone."""
        return ["train", "--out", str(self.folder.root), *typed(self.config)]


def arms_of(config: RunConfig, *, seeds: Sequence[int], root: Path) -> list[Arm]:
    """In the order in which they are trained. Raises ValidationError where a twin's settings do not fit together."""
    return [
        Arm(seed=seed, name=name, config=twin(config, seed=seed, sd=name == SD), root=root)
        for seed in seeds
        for name in NAMES
    ]


def typed(config: RunConfig) -> list[str]:
    """The command line's options that make `config`; defaults are left out, but not the dataset's.

    What it is by default depends on whether a folder is named.
    """
    defaults = {**RunConfig().model_dump(mode="json"), "dataset": None}
    given = {name: value for name, value in config.model_dump(mode="json").items() if value != defaults[name]}
    return [f"--{name}={'none' if value is None else value}" for name, value in given.items()]


def twin(config: RunConfig, *, seed: int, sd: bool) -> RunConfig:
    """With another seed, with stochastic depth or without; alike in all else. Raises ValidationError."""
    return RunConfig.model_validate({**config.model_dump(mode="json"), "seed": seed, "sd": sd})
