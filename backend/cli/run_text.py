"""Runs and comparisons as lines and tables for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from backend.cli.terminal import say, say_table
from backend.client import FINAL, Json
from worker.common.duration import duration
from worker.contract.plan import MODE_WORDS
from worker.contract.text import shown
from worker.evidence.distribution import Quartiles
from worker.evidence.sentences import number as in_words
from worker.evidence.sentences import step_text
from worker.evidence.verdict import Verdict
from worker.evidence.verdict_text import CONTRAST_HEADINGS, contrast_row, verdict_lines

#: The latest figures that a line of progress shows, with their heading.
_SHOWN = {"train/loss": "loss", "val/top1": "top-1", "images_per_second": "images/s"}
PAIR_HEADINGS = (
    *("SEED", "BASELINE TOP-1", "SD TOP-1", "DIFFERENCE", "BASELINE STEP", "SD STEP", "STEP RATIO", "COMPUTE RATIO"),
)


def say_runs(runs: Iterable[Json]) -> None:
    rows = [
        (run["id"], _short(run["name"], 32), run["status"], progress(run), best(run), when(run.get("created_at")))
        for run in runs
    ]
    if rows:
        say_table(("ID", "NAME", "STATUS", "EPOCH", "BEST TOP-1", "LAUNCHED"), rows)
    else:
        say("There are no runs.")


def say_run(run: Json) -> None:
    """Everything that one asks first of a run."""
    rows = {
        "name": run["name"],
        "status": run["status"] + (f" ({run['reason']})" if run.get("reason") else ""),
        "waiting for": run.get("waiting_for") or "",
        "epoch": progress(run),
        "step": _step(run),
        "best top-1": best(run),
        "latest": figures(run) if run["status"] not in FINAL else "",
        "whole run": results(run),
        "device": run.get("device") or "",
        "trained for": duration(run["elapsed_seconds"]) if run.get("elapsed_seconds") else "",
        "attempt": str(run["attempt"]),
        "launched": when(run.get("created_at")),
        "finished": when(run.get("finished_at")),
        "tags": ", ".join(run.get("tags") or ()),
        "notes": run.get("notes") or "",
        "comparison": run.get("comparison_id") or "",
    }
    say(run["id"])
    for title, value in rows.items():
        if value:
            say(f"  {title:<12} {shown(value)}")
    settings = " ".join(f"{name}={value}" for name, value in run["config"].items() if value is not None)
    say(f"  settings     {shown(settings)}")
    for warning in run.get("warnings") or ():
        say(f"  warning      {shown(warning)}")


def say_comparison(comparison: Json) -> None:
    say(f"{comparison['id']}  {shown(comparison.get('name') or '')}  ({MODE_WORDS[comparison['mode']]})")
    say_table(
        ("SEED", "ARM", "RUN", "STATUS"),
        [(str(run["seed"]), str(run["arm"]), run.get("id", "-"), run["status"]) for run in _members(comparison)],
    )
    for warning in comparison.get("warnings") or ():
        say(f"warning: {shown(warning)}")
    say(shown(comparison["plan_sentence"]))
    for one in comparison["deviations"]:
        say(f"changed {when(one['at'])}: {shown(one['sentence'])}")
    if comparison["plan"]["stopping"] == "sequential":
        more = "more are launched until the plan is decided" if comparison["is_open"] else comparison["ended_reason"]
        count = len(comparison["seeds"])
        say(f"{count} seed{'' if count == 1 else 's'} so far; {shown(more or '')}")
    _say_verdict(comparison)


def say_preview(preview: Json) -> None:
    """Of a comparison that is not launched yet."""
    say_table(
        ("ARM", "SETTINGS", "STEPS", "HOURS A RUN"),
        [(arm["name"], _settings(arm["settings"]), _or_dash(arm["steps"], "d"), _or_dash(arm["run_hours"], ".3g"))
         for arm in preview["arms"]],
    )  # fmt: skip
    most = preview["most_runs"]
    say(f"{preview['runs']} runs{'' if most == preview['runs'] else f', at most {most}'}")
    say("")
    say(preview["headline"])
    for note in preview["notes"]:
        say(note)
    for warning in preview["warnings"]:
        say(f"warning: {shown(warning)}")
    if preview["reach"]:
        say("")
        say_table(
            ("SEEDS", "INTERVAL +-", "FOUND IN 4 OF 5"),
            [(str(row["seeds"]), _or_dash(row["half_width"], ".2g"), _or_dash(row["detectable"], ".2g"))
             for row in preview["reach"]],
        )  # fmt: skip


def _settings(settings: Json) -> str:
    return " ".join(f"{name}={json.dumps(value)}" for name, value in settings.items()) or "as they are"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _members(comparison: Json) -> list[Json]:
    """Each beside its twin, those that were deleted since among them."""
    gone = [run | {"status": "deleted"} for run in comparison.get("deleted") or ()]
    seeds = list(dict.fromkeys(run["seed"] for run in [*comparison["runs"], *gone]))
    return sorted([*comparison["runs"], *gone], key=lambda run: (seeds.index(run["seed"]), run["arm"] != "baseline"))


def _say_verdict(comparison: Json) -> None:
    """As the service words it."""
    say("")
    if not comparison.get("verdict"):
        say(shown(comparison["headline"]))
        return
    verdict = Verdict.model_validate(comparison["verdict"])
    if verdict.pairs:
        say_table(PAIR_HEADINGS, [_pair(pair) for pair in comparison["verdict"]["pairs"]])
        say("")
    if len(verdict.contrasts) > 1:
        say_table([title.upper() for title in CONTRAST_HEADINGS], [contrast_row(one) for one in verdict.contrasts])
        say("")
    for line in verdict_lines(verdict):
        say(shown(line))


def _pair(pair: Json) -> tuple[str, ...]:
    """Accuracies in percent, the difference in points, SD less baseline; the time of a step with its quartiles."""
    steps = (_step_time(pair[arm].get("step_seconds")) for arm in ("baseline", "sd"))
    return (
        str(pair["seed"]),
        number(pair["baseline"].get("last_top1")),
        number(pair["sd"].get("last_top1")),
        number(pair.get("difference"), signed=True),
        *steps,
        number(pair.get("time_ratio")),
        number(pair.get("compute_ratio")),
    )


def _step_time(step: Json | None) -> str:
    return step_text(Quartiles.model_validate(step) if step else None)


def progress(run: Json) -> str:
    known = run.get("progress") or {}
    if known.get("epochs") is None:
        return ""
    left = known.get("eta_seconds")
    return f"{known.get('epoch') or 0:.1f}/{known['epochs']}" + (f", {duration(left)} left" if left else "")


def _step(run: Json) -> str:
    known = run.get("progress") or {}
    return f"{known.get('step', 0)}" + (f" of {known['steps']}" if known.get("steps") else "")


def best(run: Json) -> str:
    found = run.get("best")
    return f"{found['val/top1']:.2f} %" if found and found.get("val/top1") is not None else ""


def figures(run: Json) -> str:
    latest = run.get("latest") or {}
    return "  ".join(
        f"{title} {number(latest[name])}" for name, title in _SHOWN.items() if latest.get(name) is not None
    )


def results(run: Json) -> str:
    """What the whole run came to so far."""
    found = run.get("results") or {}
    speed, compute = found.get("images_per_second"), found.get("compute")
    loss = found.get("train_loss")
    parts = [
        f"loss {number(loss)} {_epoch_of_loss(run)}" if loss is not None else "",
        f"median {speed:.4g} images/s" if speed is not None else "",
        f"a step {_step_time(found['step_seconds'])}" if found.get("step_seconds") else "",
        f"{100 * compute:.1f} % of the full compute" if compute is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def _epoch_of_loss(run: Json) -> str:
    """It is the mean over an epoch, which is not whole while it is trained."""
    epoch = float((run.get("progress") or {}).get("epoch") or 0)
    return "in the last epoch" if epoch.is_integer() else f"in epoch {int(epoch) + 1} so far"


def number(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    return in_words(value, "+.2f") if signed else f"{value:.4g}"


def when(text: str | None) -> str:
    """A time of the service in the clock of this machine."""
    if not text:
        return ""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _short(text: str, limit: int) -> str:
    """Without its middle: what tells names apart, a seed or an arm, is mostly at their end."""
    if len(text) <= limit:
        return text
    head = limit // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
