"""The report as one page of HTML that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from backend.compare.report import DRAWN, Member, Report
from backend.compare.report_machine import machine_section
from backend.compare.report_words import epochs, moment, number, percent, share, training_time
from worker.contract import names
from worker.contract.arms import is_usual
from worker.contract.config import RunConfig
from worker.contract.plan import MODE_WORDS
from worker.evidence.sentences import step_text
from worker.report.chart import Curve, chart
from worker.report.images import images_section
from worker.report.markup import Markup, element
from worker.report.methods import Methods, methods_section
from worker.report.page import ARM_TITLES, bullets, charts, document, legend, table
from worker.report.settings import Compared, settings_section
from worker.report.verdict import verdict_section

_CHARTS = dict(zip(DRAWN, (("Validation top-1", "%"), ("Validation loss", ""), ("Training loss", "")), strict=True))


def report_page(report: Report, *, version: str) -> str:
    runs = [member.run for member in report.members]
    return document(
        f"{report.comparison.name} · ResDrop report",
        element("h2", "Verdict"),
        *_verdict(report),
        element("h2", "Results"),
        _results(report.members),
        element("h2", "Curves"),
        legend(_arms(report)),
        charts(_chart(report, metric) for metric in DRAWN),
        *(images_section(report.comparison.verdict.contrasts) if report.comparison.verdict else []),
        *settings_section([Compared(run.arm or "", run.config) for run in runs]),
        *machine_section(runs),
        *_methods(report),
        header=_header(report),
        footer=element(
            "footer", f"Made by ResDrop {version} on {moment(report.made_at)} of comparison {report.comparison.id}."
        ),
    )


def _header(report: Report) -> Markup:
    comparison = report.comparison
    first, *others = _arms(report)
    against = ", ".join(_arm(arm) for arm in others)
    arms = f"{_arm(first)} against {_within(against)}" if is_usual(comparison.arms) else f"{against} against {first}"
    what = f"{arms}, {len(comparison.runs)} runs, {MODE_WORDS[comparison.mode]}"
    when = f"launched {moment(comparison.created_at)}, reported {moment(report.made_at)}"
    notes = [_note(warning) for warning in comparison.warnings]
    if comparison.deleted:
        gone = "; ".join(f"{_within(_arm(run.arm))}, seed {run.seed}" for run in comparison.deleted)
        notes.insert(0, _note(f"Deleted since the launch: {gone}."))
    if not report.is_finished:
        notes.insert(0, _note(_how_far(report)))
    return element("header", element("h1", comparison.name), element("p", f"{what} · {when}", class_="muted"), *notes)


def _how_far(report: Report) -> str:
    statuses = [member.status for member in report.members]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    return f"This comparison is not finished: of {len(statuses)} runs {counts}. This is how it stood when reported."


def _note(text: str) -> Markup:
    return element("p", text, class_="note warn")


def _verdict(report: Report) -> list[Markup]:
    verdict = report.comparison.verdict
    if verdict is None:
        return [element("p", report.comparison.headline, class_="muted")]
    comparison = report.comparison
    changes = [f"Changed on {moment(one.at)}: {one.sentence}." for one in comparison.deviations]
    return [
        *verdict_section(verdict, seeds=len(comparison.seeds), plan=comparison.plan),
        element("p", comparison.plan_sentence, class_="muted"),
        *([bullets(changes)] if changes else []),
    ]


def _methods(report: Report) -> list[Markup]:
    """Nothing of settings that this version does not understand any more."""
    comparison, runs = report.comparison, [member.run for member in report.members]
    try:
        configs = [RunConfig.model_validate(run.config) for run in runs]
    except ValidationError:
        return []
    contrasts = comparison.verdict.contrasts if comparison.verdict else []
    return methods_section(
        Methods(
            arms=_arms(report),
            seeds=len(comparison.seeds),
            plan=comparison.plan,
            config=configs[0],
            uses_sd=any(config.sd for config in configs),
            uses_mixup=any(config.mixup for config in configs),
            has_images=any(contrast.images for contrast in contrasts),
            versions=runs[0].facts.get("versions") or {},
            changes=[one.sentence for one in comparison.deviations],
        )
    )


def _results(members: Sequence[Member]) -> Markup:
    head = (
        *("Seed", "Arm", "Status", "Best top-1", "Last top-1", "Last top-5", "Val. loss", "Train. loss"),
        *("Wall time", "Median step", "Compute", "Epochs"),
    )
    return table("Results", head, [_result(member) for member in members])


def _result(member: Member) -> tuple[str, ...]:
    run, last, results = member.run, member.run.latest.get, member.results
    best = percent(run.best_top1) + (f" (epoch {epochs(run.best_epoch)})" if run.best_epoch is not None else "")
    return (
        str(run.config["seed"]),
        _arm(run.arm),
        member.status,
        best,
        percent(last(names.Metric.VAL_TOP1)),
        percent(last(names.Metric.VAL_TOP5)),
        number(last(names.Metric.VAL_LOSS)),
        number(results.train_loss),
        training_time(run.elapsed_seconds),
        step_text(results.step_seconds, with_quartiles=False),
        share(results.compute),
        f"{epochs(run.epoch)} of {run.config['epochs']}",
    )


def _chart(report: Report, metric: names.Metric) -> Markup:
    title, unit = _CHARTS[metric]
    places = {arm: place for place, arm in enumerate(_arms(report))}
    curves = [
        Curve(
            name=f"{_arm(member.run.arm)}, seed {member.run.config['seed']}",
            arm=places.get(member.run.arm or "", 0),
            xs=member.curves[metric].x,
            values=member.curves[metric].values,
        )
        for member in report.members
    ]
    return chart(title, curves, x_title="epoch", unit=unit)


def _arms(report: Report) -> list[str]:
    return [arm.name for arm in report.comparison.arms]


def _within(title: str) -> str:
    """As within a sentence; the name that somebody gave to an arm stays as it is."""
    return title.lower() if title in ARM_TITLES.values() else title


def _arm(arm: str | None) -> str:
    return ARM_TITLES.get(arm or "", arm or "")
