"""`compare`: baselines and their twins with stochastic depth in one folder; the same command goes on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from worker.common.cores import usable_cores
from worker.engine.atomic import write_text
from worker.engine.compare.arms import Arm, arms_of
from worker.engine.compare.folder import ComparisonFolder, Design
from worker.engine.compare.outcome import as_json, results_of, verdict_on
from worker.engine.compare.page import page
from worker.engine.compare.placement import Placement, PlacementRefused, place, uses_rocm, visible_gpus
from worker.engine.compare.running import End
from worker.engine.compare.screen import Screen
from worker.engine.compare.training import Training
from worker.engine.compare.words import as_csv, table
from worker.engine.leaving import leaving_at_once
from worker.engine.output import complain
from worker.engine.results import FolderRefused, ResultsFolder
from worker.engine.signals import BY_SIGNAL
from worker.evidence.estimates import ScipyMissing, require_scipy

BAD_INPUT, FAILED = 2, 1


def run(design: Design, *, out: Path, fresh: bool) -> int:
    """The exit code: 0 completed, 2 for input that cannot be trained, 128 + the signal that paused it, else 1."""
    with leaving_at_once():
        from worker.engine.data.errors import DataError
        from worker.engine.data.open import cached_as_asked, described, list_images
        from worker.engine.execution import device_of
        from worker.engine.outcome import DeviceUnavailable

    folder = ComparisonFolder(out)
    try:
        # Before hours of training, and not after them.
        require_scipy()
        folder.refuse_strangers()
        placement, settled = _settled(design, None if fresh else folder)
        if not fresh:
            folder.refuse_other_comparison(settled)
        with leaving_at_once():
            dataset = list_images(settled.config)
        images = described(cached_as_asked(dataset, settled.config), settled.config)
        device_of(settled.config)
        with ResultsFolder(out).locked():
            if fresh:
                folder.clear(_recorded_arms(folder, settled))
            return _Comparison(settled, placement, folder).run(images)
    except (DataError, DeviceUnavailable, PlacementRefused, FolderRefused, ScipyMissing) as refusal:
        complain(str(refusal))
        return BAD_INPUT


def _settled(design: Design, folder: ComparisonFolder | None) -> tuple[Placement, Design]:
    """With each run's threads written down where runs share the machine; one that goes on keeps its threads."""
    config = design.config
    found = folder.recorded() if folder else None
    if config.threads is None and design.mode == "parallel" and found is not None and found["mode"] == "parallel":
        config = config.model_copy(update={"threads": found["config"]["threads"]})
    rocm = uses_rocm()
    placement = place(
        config,
        mode=design.mode,
        gpu_split=design.gpu_split,
        gpus=visible_gpus(rocm=rocm),
        cores=usable_cores(),
        rocm=rocm,
    )
    return placement, replace(design, config=config.model_copy(update={"threads": placement.threads}))


def _recorded_arms(folder: ComparisonFolder, design: Design) -> list[Arm]:
    found = folder.recorded() or {"seeds": []}
    return arms_of(design.config, seeds=sorted({*found["seeds"], *design.seeds}), root=folder.root)


class _Comparison:
    def __init__(self, design: Design, placement: Placement, folder: ComparisonFolder) -> None:
        self._design = design
        self._placement = placement
        self._folder = folder
        self._arms = arms_of(design.config, seeds=design.seeds, root=folder.root)
        self._screen = Screen(sys.stdout)

    def run(self, images: str) -> int:
        """`images` says what is trained on."""
        self._write({})
        for line in (images, *self._warnings(), f"{len(self._arms)} runs: {self._placement.told}"):
            self._screen.say(line)
        training = Training(self._arms, self._placement.slots, screen=self._screen, ended=self._write)
        training.run()
        if training.is_refused:
            return BAD_INPUT
        if training.received.first is not None:
            self._screen.say("paused; the same command goes on from there")
            return BY_SIGNAL + training.received.first
        self._report(training.ends)
        return 0 if all(end.status == "completed" for end in training.ends.values()) else FAILED

    def _warnings(self) -> list[str]:
        """Of the twin with stochastic depth, which can only have more to warn of."""
        return [f"note: {warning}" for warning in self._arms[-1].config.warnings()]

    def _write(self, ends: dict[str, End]) -> None:
        results = results_of(self._arms, ends)
        self._folder.write(self._design, {"placement": self._placement.told} | as_json(results, verdict_on(results)))

    def _report(self, ends: dict[str, End]) -> None:
        results = results_of(self._arms, ends)
        verdict = verdict_on(results)
        write_text(self._folder.table, as_csv(results))
        write_text(self._folder.report, page(self._arms, results, verdict, told=self._placement.told))
        told = [line for line in (*verdict.sentences, verdict.time_sentence, verdict.headline, verdict.reason) if line]
        told += [f"warning: {warning}" for warning in verdict.warnings]
        said = ["", table(results), "", *told, "", *self._failures(ends)]
        for line in [*said, f"results in {self._folder.root}; open {self._folder.report.name} in a browser"]:
            self._screen.say(line)

    def _failures(self, ends: dict[str, End]) -> Sequence[str]:
        return [
            f"{key} {end.status}: {end.reason} (what it said is in {key}.out)"
            for key, end in ends.items()
            if end.status != "completed"
        ]
