"""The verdict of a comparison as part of its page: as `worker.evidence` words it, with nothing added."""

from __future__ import annotations

from collections.abc import Sequence

from worker.contract.plan import Plan
from worker.evidence.arm_results import ArmResults
from worker.evidence.estimates import MeanEstimate
from worker.evidence.pairs import Pair
from worker.evidence.sentences import number, step_seconds_text, step_text
from worker.evidence.study_words import p_text
from worker.evidence.verdict import ArmContrast, Verdict
from worker.report.differences import differences_figure
from worker.report.markup import Markup, element
from worker.report.page import ARM_TITLES, bullets, table, tiles

PAIR_HEADINGS = (
    "Seed",
    "Baseline top-1",
    "SD top-1",
    "Difference",
    "Baseline step",
    "SD step",
    "Step ratio",
    "Compute ratio",
)
CONTRAST_HEADINGS = (
    *("Arm", "Seeds", "Difference", "Interval", "p", "p, sign flips", "Effect size", "Step ratio", "Compute ratio"),
)
ARM_HEADINGS = (
    "Arm",
    "Seeds",
    "Last top-1",
    "Interval",
    "Best top-1",
    "Last top-5",
    "Val. loss",
    "Compute",
    "Median step",
)
NOT_KNOWN = "–"
_METHOD = (
    "Accuracies are of the evaluation after the last epoch. Intervals are Student's for the mean over seeds; the runs "
    "of a seed share weights, order and augmentation. The time of a step is the median over the reports of a run, with "
    "the quartiles in brackets; evaluations, checkpoints, pauses and the first steps after a start are not in it. The "
    "interval of a ratio of steps is of the two runs of its seed, whose blocks of steps are resampled (Carlstein 1986)."
)


def verdict_section(verdict: Verdict, *, seeds: int, plan: Plan | None = None) -> list[Markup]:
    """`seeds` are all of the comparison's, whether their runs have completed or not."""
    plan = plan or Plan()
    parts = [element("p", verdict.headline, class_="sentence")]
    if verdict.reason:
        parts.append(element("p", verdict.reason, class_="note"))
    if (figure := differences_figure(verdict.contrasts, plan)) is not None:
        parts.append(figure)
    parts += [element("p", warning, class_="note warn") for warning in verdict.warnings]
    if not verdict.seeds:
        return parts
    for contrast in verdict.contrasts:
        if contrast.speed.sentence:
            arm = f"{contrast.arm}: " if len(verdict.contrasts) > 1 else ""
            style = "note" if contrast.speed.is_explained else "note warn"
            parts.append(element("p", f"{arm}{contrast.speed.sentence}", class_=style))
    shown = [(tile.title, tile.value, tile.remark) for tile in verdict.tiles]
    parts.append(tiles([*shown, ("Seeds completed", str(len(verdict.seeds)), f"of {seeds}")]))
    if verdict.sentences:
        parts.append(bullets(verdict.sentences))
    parts.append(contrast_table(verdict.contrasts))
    parts += _looks(verdict.contrasts)
    parts.append(arm_table(verdict.arms))
    if verdict.pairs:
        parts.append(pair_table(verdict.pairs))
    return [*parts, element("p", _METHOD, class_="muted")]


def contrast_table(contrasts: Sequence[ArmContrast]) -> Markup:
    title = f"Against {contrasts[0].reference}, over seeds"
    return table(title, CONTRAST_HEADINGS, [_contrast(contrast) for contrast in contrasts])


def _contrast(contrast: ArmContrast) -> tuple[str, ...]:
    speed = contrast.speed
    return (
        contrast.arm,
        str(contrast.n),
        contrast.mean_text,
        contrast.interval_text,
        NOT_KNOWN if contrast.p_adjusted is None else p_text(contrast.p_adjusted),
        NOT_KNOWN if contrast.p_permutation is None else p_text(contrast.p_permutation),
        NOT_KNOWN if contrast.effect_size is None else number(contrast.effect_size, "+.2f"),
        NOT_KNOWN if speed.time_ratio is None else f"{speed.time_ratio.mean:.3f}",
        NOT_KNOWN if speed.compute_ratio is None else f"{speed.compute_ratio.mean:.3f}",
    )


def _looks(contrasts: Sequence[ArmContrast]) -> list[Markup]:
    """Of a sequential plan what was known after each seed, and the evidence at which an arm alone is decided."""
    return [
        table(
            f"{contrast.arm}: evidence after each seed, decided at {contrast.evidence_needed:.3g}",
            ("Seed", "Evidence", "Interval"),
            [
                (
                    str(look.seed),
                    f"{look.evidence:.3g}",
                    NOT_KNOWN
                    if look.low is None or look.high is None
                    else f"{number(look.low, '+.3g')} to {number(look.high, '+.3g')}",
                )
                for look in contrast.looks
            ],
        )
        for contrast in contrasts
        if contrast.looks
    ]


def arm_table(arms: Sequence[ArmResults]) -> Markup:
    """What each arm came to, its seeds folded in."""
    title = "Arms, means over their seeds, of the last top-1 with its 95 % interval"
    return table(title, ARM_HEADINGS, [_arm(one) for one in arms])


def _arm(found: ArmResults) -> tuple[str, ...]:
    top1 = found.last_top1
    bounds = NOT_KNOWN
    if top1 is not None and top1.low is not None and top1.high is not None:
        bounds = f"{number(top1.low, '.2f')} to {number(top1.high, '.2f')}"
    return (
        ARM_TITLES.get(found.arm, found.arm),
        str(found.seeds),
        _mean(top1, ".2f", " %"),
        bounds,
        _mean(found.best_top1, ".2f", " %"),
        _mean(found.last_top5, ".2f", " %"),
        _mean(found.last_loss, ".4f"),
        _mean(found.compute, ".3f"),
        NOT_KNOWN if found.step_seconds is None else step_seconds_text(found.step_seconds.mean),
    )


def _mean(value: MeanEstimate | None, form: str, unit: str = "") -> str:
    return NOT_KNOWN if value is None else f"{number(value.mean, form)}{unit}"


def pair_table(pairs: Sequence[Pair]) -> Markup:
    return table("Pairs", PAIR_HEADINGS, [_pair(pair) for pair in pairs])


def _pair(pair: Pair) -> tuple[str, ...]:
    return (
        str(pair.seed),
        _percent(pair.baseline.last_top1),
        _percent(pair.sd.last_top1),
        NOT_KNOWN if pair.difference is None else number(pair.difference, "+.2f"),
        step_text(pair.baseline.step_seconds),
        step_text(pair.sd.step_seconds),
        _ratio(pair),
        NOT_KNOWN if pair.compute_ratio is None else f"{pair.compute_ratio:.3f}",
    )


def _ratio(pair: Pair) -> str:
    if pair.time_ratio is None:
        return NOT_KNOWN
    bounds = "" if pair.time_low is None else f" ({pair.time_low:.3f} to {pair.time_high:.3f})"
    return f"{pair.time_ratio:.3f}{bounds}"


def _percent(value: float | None) -> str:
    return NOT_KNOWN if value is None else f"{value:.2f} %"
