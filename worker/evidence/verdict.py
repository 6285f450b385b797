"""The one verdict of a comparison: numbers and sentences, for service, page, reports and command lines."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from worker.contract.arms import ARM_TITLES, BASELINE, SD
from worker.contract.plan import Plan, Stopping
from worker.evidence import sentences as words
from worker.evidence import study_words
from worker.evidence.arm_results import ArmResults, arm_results
from worker.evidence.circumstances import circumstances
from worker.evidence.conclusion import Conclusion
from worker.evidence.estimates import MeanEstimate
from worker.evidence.image_verdict import Found, ImageContrast
from worker.evidence.pairs import CompletedRun, Effects, Pair, effects_of, pairs_of
from worker.evidence.study import Ending, Result, Study
from worker.evidence.study_verdict import Contrast, decide

#: How the values of a metric are written after its difference, and with how many decimals.
_UNITS = {"val/top1": (" points", 2), "val/top5": (" points", 2), "val/loss": ("", 4)}


_NO_OTHER_INTERVAL = "no interval, for the plan looks after each seed"


class Design(BaseModel):
    """What was set out: the arms by name, the reference first, the seeds, and the plan.

    Without `seeds` all that have a run are taken for planned. `departures` say what was changed in the plan after its
    runs had begun, beside seeds that have results without being planned.
    """

    model_config = ConfigDict(frozen=True)

    arms: tuple[str, ...] = (BASELINE, SD)
    seeds: tuple[int, ...] | None = None
    plan: Plan = Plan()
    departures: tuple[str, ...] = ()

    @property
    def is_usual(self) -> bool:
        return self.arms == (BASELINE, SD)


class Unfinished(BaseModel):
    """A run without a result, and why it has none."""

    model_config = ConfigDict(frozen=True)

    seed: int
    arm: str
    ending: Ending


class Speed(BaseModel):
    """An arm's median step over the reference's, beside the share of compute that was left, and what it says.

    `is_explained` is false where the ratio has another cause than skipping. `realised` is the saving of time over that
    of compute, 1 for the ideal; None where nothing was skipped or the ratio is not explained.
    """

    model_config = ConfigDict(frozen=True)

    time_ratio: MeanEstimate | None
    compute_ratio: MeanEstimate | None
    is_explained: bool
    realised: float | None
    sentence: str


class ArmContrast(Contrast):
    """As of any study, with what the runs say of the arm's speed.

    `images` is the arm against the reference image by image, where that was asked for and predictions are there;
    `images_left_out` says of which seeds they are not.
    """

    speed: Speed
    images: ImageContrast | None = None
    images_left_out: tuple[str, ...] = ()


class Verdict(Effects):
    """Over the seeds of which every arm has completed. Nothing is concluded about seeds from a single one.

    `conclusion`, `headline` and `reason` are by the plan alone, each arm's in `contrasts`, and `warnings` are what a
    reader has to know before believing them. The pairs and their means are those of a baseline with its twin, and empty
    for other arms. `time_sentence` is of the time, `sentences` have each number with its interval and `tiles` the most
    important ones for a page. `times_explained` is false where a ratio of times has another cause than skipping.
    """

    conclusion: Conclusion
    headline: str
    reason: str
    is_decided: bool
    contrasts: list[ArmContrast]
    arms: tuple[ArmResults, ...] = ()
    warnings: list[str]
    seeds: tuple[int, ...]
    pairs: list[Pair]
    mean_difference: float | None
    mean_time_ratio: float | None
    times_explained: bool
    time_sentence: str
    sentences: list[str]
    tiles: list[words.Figure]

    def with_images(self, found: Found) -> Verdict:
        contrasts = [
            one.model_copy(update={"images": found[one.arm][0], "images_left_out": found[one.arm][1]})
            for one in self.contrasts
        ]
        return self.model_copy(update={"contrasts": contrasts})


def verdict_of(
    completed: Sequence[CompletedRun], design: Design | None = None, unfinished: Sequence[Unfinished] = ()
) -> Verdict:
    """Of a comparison's runs, in any order. Raises ScipyMissing from two complete seeds on."""
    design = design or Design()
    study = _study(completed, design, unfinished)
    found = decide(study, design.plan)
    counted = _of_whole_seeds(completed, design)
    contrasts = [
        ArmContrast(**dict(one), speed=_speed(counted, study.title(study.reference), one)) for one in found.contrasts
    ]
    pairs = pairs_of(counted) if design.is_usual else []
    effects = _by_plan(effects_of(pairs), contrasts[0], study, design.plan)
    return Verdict(
        **dict(effects),
        conclusion=found.conclusion,
        headline=found.headline,
        reason=found.reason,
        is_decided=found.is_decided,
        contrasts=contrasts,
        arms=tuple(arm_results(counted, design.arms)),
        warnings=[*found.warnings, *circumstances(completed)],
        seeds=tuple(int(seed) for seed in found.seeds),
        pairs=pairs,
        mean_difference=effects.last_top1.mean if effects.last_top1 else None,
        mean_time_ratio=effects.time_ratio.mean if effects.time_ratio else None,
        times_explained=all(one.speed.is_explained for one in contrasts),
        time_sentence=contrasts[0].speed.sentence if len(contrasts) == 1 else "",
        sentences=words.sentences(effects) if pairs else [],
        tiles=words.tiles(effects),
    )


def _of_whole_seeds(completed: Sequence[CompletedRun], design: Design) -> list[CompletedRun]:
    """A seed counts when all its arms have completed, for speeds as for accuracies."""
    known = {(run.arm, run.seed) for run in completed}
    return [run for run in completed if all((arm, run.seed) in known for arm in design.arms)]


def _by_plan(effects: Effects, contrast: Contrast, study: Study, plan: Plan) -> Effects:
    """The interval of what the plan is about is the plan's. Where it looks after each seed, nothing has Student's."""
    decided = {"val/top1": "last_top1", "val/loss": "last_loss"}.get(plan.metric)
    changes: dict[str, MeanEstimate] = {}
    for name in ("last_top1", "best_top1", "last_loss"):
        estimate: MeanEstimate | None = getattr(effects, name)
        if estimate is None or estimate.low is None:
            continue
        if name == decided and estimate.n == contrast.n:
            told = study_words.interval_phrase(contrast, study, plan)
            changes[name] = estimate.model_copy(update={"low": contrast.low, "high": contrast.high, "told": told})
        elif plan.stopping is Stopping.SEQUENTIAL:
            changes[name] = estimate.model_copy(update={"low": None, "high": None, "told": _NO_OTHER_INTERVAL})
    return effects.model_copy(update=changes)


def _study(completed: Sequence[CompletedRun], design: Design, unfinished: Sequence[Unfinished]) -> Study:
    unit, decimals = _UNITS[design.plan.metric]
    results = [_result(run, design.plan) for run in completed]
    results += [Result(arm=run.arm, seed=run.seed, ending=run.ending) for run in unfinished]
    seeds = design.seeds if design.seeds is not None else tuple(dict.fromkeys(int(one.seed) for one in results))
    return Study(
        arms=design.arms,
        planned=seeds,
        results=tuple(result for result in results if result.arm in design.arms),
        higher_is_better=design.plan.higher_is_better,
        departures=design.departures,
        titles=ARM_TITLES,
        unit=unit,
        decimals=decimals,
    )


def _result(run: CompletedRun, plan: Plan) -> Result:
    value = {"val/top1": run.last_top1, "val/top5": run.last_top5, "val/loss": run.last_loss}[plan.metric]
    if value is None:
        return Result(arm=run.arm, seed=run.seed, ending=Ending.UNMEASURED)
    return Result(arm=run.arm, seed=run.seed, value=value)


def _speed(completed: Sequence[CompletedRun], reference: str, contrast: Contrast) -> Speed:
    pairs = pairs_of(completed, reference=contrast.reference, arm=contrast.arm)
    effects = effects_of(pairs)
    return Speed(
        time_ratio=effects.time_ratio,
        compute_ratio=effects.compute_ratio,
        is_explained=all(pair.times.is_explained for pair in pairs),
        realised=_realised(effects),
        sentence=words.time_sentence(pairs, effects, reference=reference),
    )


def _realised(effects: Effects) -> float | None:
    saved, ideal = effects.time_saved, effects.compute_saved
    if saved is None or ideal is None or ideal.mean < words.LEAST_SKIPPED:
        return None
    return saved.mean / ideal.mean
