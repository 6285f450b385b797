"""report.html: a comparison as one page that opens from the disk, fetches nothing and runs no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from worker.contract.names import Metric
from worker.engine.compare.arms import BASELINE, SD, Arm
from worker.engine.compare.chart import Curve, figure
from worker.engine.compare.folder import FACTORS
from worker.engine.compare.outcome import Row, RunResult, Verdict
from worker.engine.compare.statistics import Paired
from worker.engine.compare.style import STYLE
from worker.engine.compare.words import HEADINGS, cells, headline, sentences
from worker.engine.sinks.history import read_history

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
NAMES = {BASELINE: "baseline", SD: "stochastic depth"}


@dataclass(frozen=True)
class _Chart:
    title: str
    metric: Metric
    x: str
    x_title: str


CHARTS = (
    _Chart("val/top1 by epoch (%)", Metric.VAL_TOP1, "epoch", "epoch"),
    _Chart("val/top1 by time (%)", Metric.VAL_TOP1, "elapsed_seconds", "seconds of training"),
    _Chart("val/loss", Metric.VAL_LOSS, "epoch", "epoch"),
    _Chart("train/loss", Metric.TRAIN_LOSS, "epoch", "epoch"),
    _Chart("sd/compute (share of the full compute)", Metric.SD_COMPUTE, "epoch", "epoch"),
    _Chart("images/s", Metric.IMAGES_PER_SECOND, "epoch", "epoch"),
)


def page(arms: Sequence[Arm], results: Sequence[RunResult], verdict: Verdict, *, told: str) -> str:
    """`told` says how the runs were placed."""
    histories = [(arm, read_history(arm.folder.history)) for arm in arms]
    config = arms[0].config
    title = f"ResNet-{int(config.depth)} on {config.dataset.value}: baseline and stochastic depth"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="muted">pL {config.pL:g}, mode {escape(config.sd_mode)}, {config.epochs} epochs, '
        f"batch {config.batch}; {escape(told)}.</p>",
        f'<p class="headline">{escape(headline(verdict))}</p>',
        _tiles(verdict),
        "<h2>Paired differences</h2>",
        _list(sentences(verdict)),
        "<p class=\"muted\">Intervals are Student's for the mean over seeds; a seed's twins share weights, order and "
        "augmentation.</p>",
        "<h2>Runs</h2>",
        _table(results),
        _list([f"seed {run.seed} {run.arm}: {run.reason}" for run in results if run.reason]),
        "<h2>Curves</h2>",
        _legend(),
        f'<div class="charts">{"".join(_figure(chart, histories) for chart in CHARTS)}</div>',
        "<h2>Settings</h2>",
        _settings(config.model_dump(mode="json")),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _tiles(verdict: Verdict) -> str:
    found = [
        ("Last val/top1, SD − baseline", verdict.last_top1, "{:+.2f}"),
        ("Best val/top1, SD − baseline", verdict.best_top1, "{:+.2f}"),
        ("Time saved, %", verdict.time_saved, "{:.1f}"),
        ("Compute saved, %", verdict.compute_saved, "{:.1f}"),
    ]
    tiles = [_tile(title, value, form) for title, value, form in found if value is not None]
    return f'<dl class="tiles">{"".join(tiles)}</dl>' if tiles else ""


def _tile(title: str, value: Paired, form: str) -> str:
    spread = "one seed, no interval"
    if value.low is not None and value.high is not None:
        spread = f"{form.format(value.low)} to {form.format(value.high)}, {value.n} seeds"
    return f"<div><dt>{escape(title)}</dt><dd>{form.format(value.mean)}<small>{spread}</small></dd></div>"


def _table(results: Sequence[RunResult]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in HEADINGS)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells(result))}</tr>" for result in results)
    return f'<div class="scroller"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _list(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>" if texts else ""


def _legend() -> str:
    marks = "".join(f'<span><i class="{arm}"></i>{name}</span>' for arm, name in NAMES.items())
    return f'<p class="legend">{marks}</p>'


def _figure(chart: _Chart, histories: Sequence[tuple[Arm, Sequence[Row]]]) -> str:
    curves = [
        Curve(
            arm.title,
            arm.name,
            [(float(row[chart.x]), float(row[chart.metric])) for row in rows if row[chart.metric]],
        )
        for arm, rows in histories
    ]
    return figure(chart.title, chart.x_title, curves)


def _settings(config: dict[str, Any]) -> str:
    shown = [
        f"<div><dt>{escape(name)}</dt><dd>{escape('default' if value is None else str(value))}</dd></div>"
        for name, value in config.items()
        if name not in FACTORS
    ]
    return f'<dl class="settings">{"".join(shown)}</dl>'
