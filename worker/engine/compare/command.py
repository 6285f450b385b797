"""`compare`: the arms of a comparison in one folder, seed after seed; the same command goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from worker.common.cores import usable_cores
from worker.contract.config import Device, RunConfig
from worker.contract.design import next_seed, reason_to_end
from worker.engine.atomic import write_text
from worker.engine.compare.arms import Arm
from worker.engine.compare.design import Design
from worker.engine.compare.folder import ComparisonFolder
from worker.engine.compare.outcome import as_json, results_of, verdict_on, with_images
from worker.engine.compare.page import page
from worker.engine.compare.placement import Placement, PlacementRefused, place, uses_rocm, visible_gpus
from worker.engine.compare.running import End
from worker.engine.compare.screen import Screen
from worker.engine.compare.training import Training
from worker.engine.compare.words import as_csv, notes, summary
from worker.engine.leaving import leaving_at_once
from worker.engine.output import complain
from worker.engine.results import FolderRefused, ResultsFolder
from worker.engine.signals import BY_SIGNAL
from worker.evidence.estimates import ScipyMissing, require_scipy

BAD_INPUT, FAILED = 2, 1


def run(design: Design, *, out: Path, fresh: bool) -> int:
    """The exit code: 0 completed, 2 for input that cannot be trained, 128 + the signal that paused it, else 1."""
    with leaving_at_once():
        from worker.engine.compare.preflight import checked_images
        from worker.engine.data.errors import DataError
        from worker.engine.outcome import DeviceUnavailable

    folder = ComparisonFolder(out)
    try:
        # Before hours of training, and not after them.
        require_scipy()
        folder.refuse_strangers()
        placement, settled = _settled(design, None if fresh else folder)
        if not fresh:
            folder.refuse_other_comparison(settled)
        images = checked_images(_configs(settled))
        with ResultsFolder(out).locked():
            if fresh:
                folder.clear(settled)
            return _Comparison(settled, placement, folder).run(images)
    except (DataError, DeviceUnavailable, PlacementRefused, FolderRefused, ScipyMissing) as refusal:
        complain(str(refusal))
        return BAD_INPUT


def _configs(design: Design) -> list[RunConfig]:
    """Of each arm; all seeds are alike in what they need."""
    return [arm.config for arm in design.runs(Path(), design.seeds[:1])]


def _settled(design: Design, folder: ComparisonFolder | None) -> tuple[Placement, Design]:
    """With each run's threads written down where runs share the machine; one that goes on keeps its threads."""
    config = design.config
    found = folder.recorded() if folder else None
    if config.threads is None and design.mode == "parallel" and found is not None and found.mode == "parallel":
        design = replace(design, config=config.model_copy(update={"threads": found.config["threads"]}))
    rocm = uses_rocm()
    placement = place(
        _greatest(design),
        mode=design.mode,
        gpu_split=design.gpu_split,
        gpus=visible_gpus(rocm=rocm),
        cores=usable_cores(),
        rocm=rocm,
    )
    return placement, replace(design, config=design.config.model_copy(update={"threads": placement.threads}))


def _greatest(design: Design) -> RunConfig:
    """What every arm has room with: as many devices as one of them takes, and GPUs unless all are for the CPU."""
    configs = _configs(design)
    devices = max(config.devices for config in configs)
    device = next((config.device for config in configs if config.device is not Device.CPU), Device.CPU)
    return design.config.model_copy(update={"devices": devices, "device": device})


class _Comparison:
    def __init__(self, design: Design, placement: Placement, folder: ComparisonFolder) -> None:
        self._design = design
        self._placement = placement
        self._folder = folder
        self._arms = design.runs(folder.root)
        self._ended_reason: str | None = None
        self._screen = Screen(sys.stdout)

    def run(self, images: Sequence[str]) -> int:
        """`images` say what is trained on."""
        self._write({})
        for line in (*images, *notes(self._design, self._arms), f"{len(self._arms)} runs: {self._placement.told}"):
            self._screen.say(line)
        training = Training(
            self._arms, self._placement.slots, screen=self._screen, ended=self._write, following=self._next_seed
        )
        training.run()
        if training.is_refused:
            return BAD_INPUT
        if training.received.first is not None:
            self._screen.say("paused; the same command goes on from there")
            return BY_SIGNAL + training.received.first
        self._report(training.ends)
        return 0 if all(end.status == "completed" for end in training.ends.values()) else FAILED

    def _next_seed(self, ends: dict[str, End]) -> Sequence[Arm]:
        """The runs of another seed while a sequential plan is open."""
        if not self._design.is_sequential:
            return ()
        plan, seeds = self._design.plan, self._design.seeds
        is_decided = verdict_on(results_of(self._arms, ends), self._design.judged).is_decided
        self._ended_reason = reason_to_end(plan, seeds, is_decided=is_decided)
        seed = next_seed(seeds)
        if self._ended_reason is not None or seed is None:
            return ()
        self._design = self._design.with_seed(seed)
        added = self._design.runs(self._folder.root, (seed,))
        self._arms = [*self._arms, *added]
        self._write(ends)
        self._screen.say(f"seed {seed} is added: the plan is not decided yet")
        return added

    def _write(self, ends: dict[str, End]) -> None:
        results = results_of(self._arms, ends)
        outcome = as_json(results, verdict_on(results, self._design.judged))
        told = {"placement": self._placement.told, "ended_reason": self._ended_reason}
        self._folder.write(self._design, told | outcome)

    def _report(self, ends: dict[str, End]) -> None:
        self._write(ends)
        results, judged, told = results_of(self._arms, ends), self._design.judged, self._placement.told
        verdict = with_images(verdict_on(results, judged), self._arms, judged)
        write_text(self._folder.table, as_csv(results))
        write_text(self._folder.report, page(self._arms, results, verdict, told=told, design=judged))
        ended = [self._ended_reason] if self._ended_reason is not None else []
        for line in [*summary(results, verdict, judged), *ended, "", *self._failures(ends)]:
            self._screen.say(line)
        self._screen.say(f"results in {self._folder.root}; open {self._folder.report.name} in a browser")

    def _failures(self, ends: dict[str, End]) -> Iterator[str]:
        for key, end in ends.items():
            if end.status != "completed":
                yield f"{key} {end.status}: {end.reason} (what it said is in {key}.out)"
