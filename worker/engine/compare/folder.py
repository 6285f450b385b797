"""The folder of a comparison: one record of what is compared, the runs' own folders, and what came out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.contract.config import RunConfig
from worker.engine.atomic import write_text
from worker.engine.compare.arms import Arm
from worker.engine.compare.placement import Mode
from worker.engine.differences import differing_settings
from worker.engine.results import FolderRefused, is_lock

FORMAT = 1
#: What the arms set themselves.
FACTORS = {"seed": 0, "sd": False}


@dataclass(frozen=True)
class Design:
    """What is compared. `config` is the twins' own but for seed and sd."""

    mode: Mode
    gpu_split: bool
    seeds: tuple[int, ...]
    config: RunConfig

    def as_json(self) -> dict[str, Any]:
        settings = self.config.model_dump(mode="json") | FACTORS
        return {"format": FORMAT, "mode": self.mode, "gpu_split": self.gpu_split, "seeds": list(self.seeds)} | {
            "config": settings
        }


class ComparisonFolder:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.record = root / "comparison.json"
        self.table = root / "comparison.csv"
        self.report = root / "report.html"

    def refuse_strangers(self) -> None:
        """Raises FolderRefused if something else than a comparison is here. Writes nothing."""
        if self.root.exists() and not self.root.is_dir():
            raise FolderRefused(f"--out {self.root} is a file; give a folder")
        if self.root.exists() and not self.record.exists() and not all(map(is_lock, self._entries())):
            raise FolderRefused(f"--out {self.root} is not empty and holds no comparison; give another folder")

    def recorded(self) -> dict[str, Any] | None:
        """What the folder's comparison was begun with; None where there is none. Raises FolderRefused."""
        if not self.record.exists():
            return None
        try:
            found = dict(json.loads(self.record.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise FolderRefused(f"{self.record} cannot be read ({error}); give another --out") from error
        if found.get("format") != FORMAT:
            raise FolderRefused(
                f"{self.record} has format {found.get('format')}, this version reads {FORMAT}; give another --out"
            )
        return found

    def refuse_other_comparison(self, design: Design) -> None:
        """Raises FolderRefused if the one in the folder has other settings; further seeds may join."""
        found = self.recorded()
        if found is None:
            return
        asked = design.as_json()
        differing = [
            f"{name} was {found[name]} and is {asked[name]}"
            for name in ("mode", "gpu_split")
            if found[name] != asked[name]
        ]
        missing = [str(seed) for seed in found["seeds"] if seed not in design.seeds]
        if missing:
            differing.append(f"seeds {', '.join(missing)} are missing")
        differing += differing_settings(found["config"], design.config.model_copy(update=FACTORS))
        if differing:
            raise FolderRefused(
                f"--out {self.root} holds a comparison with other settings: {'; '.join(differing)}. "
                "Give the same settings to go on, another --out, or --fresh to delete that comparison and begin anew"
            )

    def write(self, design: Design, outcome: Mapping[str, Any]) -> None:
        write_text(self.record, json.dumps({**design.as_json(), **outcome}, indent=2) + "\n")

    def clear(self, arms: Sequence[Arm]) -> None:
        """Deletes what a comparison of these arms left here, and nothing else."""
        for arm in arms:
            arm.output.unlink(missing_ok=True)
            shutil.rmtree(arm.folder.root, ignore_errors=True)
        for path in (self.record, self.table, self.report):
            path.unlink(missing_ok=True)

    def _entries(self) -> list[Path]:
        return list(self.root.iterdir())
