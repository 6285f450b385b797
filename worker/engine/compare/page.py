"""report.html: a comparison as one page that opens from the disk, fetches nothing and runs no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from worker.contract.config import RunConfig
from worker.contract.names import Metric
from worker.engine.compare.arms import Arm
from worker.engine.compare.outcome import RunResult
from worker.engine.compare.words import HEADINGS, cells
from worker.engine.measured import Row
from worker.engine.sinks.history import read_history
from worker.evidence.plan_words import plan_sentence
from worker.evidence.verdict import Design, Verdict
from worker.report.chart import Curve, chart
from worker.report.images import images_section
from worker.report.markup import Markup, element
from worker.report.methods import Methods, methods_section
from worker.report.page import bullets, charts, document, legend, table
from worker.report.settings import Compared, settings_section
from worker.report.verdict import verdict_section

#: More points than pixels would only make the page heavy.
MOST_POINTS = 300


@dataclass(frozen=True)
class _Chart:
    title: str
    metric: Metric
    x: str
    x_title: str
    unit: str = ""


CHARTS = (
    _Chart("val/top1 by epoch", Metric.VAL_TOP1, "epoch", "epoch", "%"),
    _Chart("val/top1 by time", Metric.VAL_TOP1, "elapsed_seconds", "seconds of training", "%"),
    _Chart("val/loss", Metric.VAL_LOSS, "epoch", "epoch"),
    _Chart("train/loss", Metric.TRAIN_LOSS, "epoch", "epoch"),
    _Chart("sd/compute", Metric.SD_COMPUTE, "epoch", "epoch", "share of the full compute"),
    _Chart("images/s", Metric.IMAGES_PER_SECOND, "epoch", "epoch"),
)


def page(
    arms: Sequence[Arm], results: Sequence[RunResult], verdict: Verdict, *, told: str, design: Design | None = None
) -> str:
    """`told` says how the runs were placed; without a design they are of a baseline and its twin."""
    design = design or Design(seeds=tuple(dict.fromkeys(arm.seed for arm in arms)))
    histories = [(arm, read_history(arm.folder.history)) for arm in arms]
    configs = [arm.config for arm in arms]
    title = f"{_networks(configs)}: {_compared(design)}"
    return document(
        title,
        element("h2", "Verdict"),
        *verdict_section(verdict, seeds=len({arm.seed for arm in arms}), plan=design.plan),
        element("p", plan_sentence(design.plan, seeds=len(design.seeds or ())), class_="muted"),
        element("h2", "Runs"),
        table("Runs", HEADINGS, [cells(result) for result in results]),
        bullets(f"seed {run.seed} {run.arm}: {run.reason}" for run in results if run.reason),
        element("h2", "Curves"),
        legend(design.arms),
        charts(_figure(shown, histories, design) for shown in CHARTS),
        *images_section(verdict.contrasts),
        *settings_section([Compared(arm.name, arm.config.model_dump(mode="json")) for arm in arms]),
        *_methods(arms, verdict, design),
        header=element("header", element("h1", title), element("p", f"{_shared(configs)}{told}.", class_="muted")),
    )


def _methods(arms: Sequence[Arm], verdict: Verdict, design: Design) -> list[Markup]:
    configs = [arm.config for arm in arms]
    machine = next((machine for pair in verdict.pairs for machine in pair.baseline.machines), None)
    return methods_section(
        Methods(
            arms=design.arms,
            seeds=len(design.seeds or ()),
            plan=design.plan,
            config=configs[0],
            uses_sd=any(config.sd for config in configs),
            uses_mixup=any(config.mixup for config in configs),
            has_images=any(contrast.images for contrast in verdict.contrasts),
            versions=machine.versions if machine else {},
        )
    )


def _networks(configs: Sequence[RunConfig]) -> str:
    """ "ResNet-50 and ResNet-101 on imagenet"."""
    networks = dict.fromkeys(f"ResNet-{int(config.depth)}" for config in configs)
    datasets = dict.fromkeys(config.dataset.value for config in configs)
    return f"{' and '.join(networks)} on {' and '.join(datasets)}"


def _compared(design: Design) -> str:
    if design.is_usual:
        return "baseline and stochastic depth"
    reference, *others = design.arms
    return f"{', '.join(others)} against {reference}"


def _shared(configs: Sequence[RunConfig]) -> str:
    """The settings that one looks for first, as far as they are the same in all arms."""
    told = (
        {f"pL {config.pL:g}" for config in configs},
        {f"mode {config.sd_mode}" for config in configs},
        {f"{config.epochs} epochs" for config in configs},
        {f"batch {config.batch}" for config in configs},
    )
    same = [next(iter(values)) for values in told if len(values) == 1]
    return f"{', '.join(same)}; " if same else ""


def _figure(shown: _Chart, histories: Sequence[tuple[Arm, Sequence[Row]]], design: Design) -> Markup:
    curves = []
    for arm, rows in histories:
        told = [(float(row[shown.x]), float(row[shown.metric])) for row in rows if row[shown.metric]]
        points = thinned(told)
        place = design.arms.index(arm.name)
        curves.append(Curve(arm.title, place, [x for x, _ in points], [value for _, value in points]))
    return chart(shown.title, curves, x_title=shown.x_title, unit=shown.unit)


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means of neighbours where there are too many."""
    size = math.ceil(len(points) / MOST_POINTS)
    if size <= 1:
        return list(points)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]
