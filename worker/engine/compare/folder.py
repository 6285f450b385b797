"""The folder of a comparison: one record of what is compared, the runs' own folders, and what came out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from worker.engine.atomic import write_text
from worker.engine.compare.arms import keys_of, output_of
from worker.engine.compare.design import FIRST_FORMAT, FORMAT, Design
from worker.engine.compare.record import Record, differences
from worker.engine.results import FolderRefused, is_lock


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

    def recorded(self) -> Record | None:
        """What the folder's comparison was begun with; None where there is none. Raises FolderRefused."""
        if not self.record.exists():
            return None
        try:
            found = dict(json.loads(self.record.read_text(encoding="utf-8")))
            if found.get("format") in (FIRST_FORMAT, FORMAT):
                return Record.model_validate(found)
        except (OSError, ValueError) as error:
            why = "it is damaged" if isinstance(error, ValidationError) else error
            raise FolderRefused(f"{self.record} cannot be read ({why}); give another --out") from error
        raise FolderRefused(
            f"{self.record} has format {found.get('format')}, this version reads {FIRST_FORMAT} and {FORMAT}; "
            "give another --out"
        )

    def refuse_other_comparison(self, design: Design) -> None:
        """Raises FolderRefused if the one in the folder is another; further seeds may join."""
        found = self.recorded()
        differing = differences(found, design) if found is not None else []
        if differing:
            raise FolderRefused(
                f"--out {self.root} holds a comparison with other settings: {'; '.join(differing)}. "
                "Give the same settings to go on, another --out, or --fresh to delete that comparison and begin anew"
            )

    def write(self, design: Design, outcome: Mapping[str, Any]) -> None:
        write_text(self.record, json.dumps({**design.as_json(), **outcome}, indent=2) + "\n")

    def clear(self, design: Design) -> None:
        """Deletes what the recorded comparison and one of this design left here, and nothing else."""
        found = self.recorded()
        self._delete(keys_of(design.arms, design.seeds))
        if found is not None:
            self._delete(keys_of(found.arms, found.seeds))
        for path in (self.record, self.table, self.report):
            path.unlink(missing_ok=True)

    def _delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            output_of(self.root, key).unlink(missing_ok=True)
            shutil.rmtree(self.root / key, ignore_errors=True)

    def _entries(self) -> list[Path]:
        return list(self.root.iterdir())
