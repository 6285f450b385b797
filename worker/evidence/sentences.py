"""The verdict in words: the only ones, on screen, in reports and in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from worker.evidence.distribution import Quartiles
from worker.evidence.estimates import MeanEstimate
from worker.evidence.pairs import Effects, Pair

#: The sign of print, as wide as a digit's plus: a hyphen is easily overlooked. JSON's numbers and CSV have their own.
MINUS = "\N{MINUS SIGN}"
#: In percent of the compute; less is no skipping.
LEAST_SKIPPED = 0.05
_DIFFERENCE = f"SD {MINUS} baseline"


class Figure(BaseModel):
    """One number of the verdict as text, with what it is and a remark on how far it is to be trusted."""

    model_config = ConfigDict(frozen=True)

    title: str
    value: str
    remark: str


def sentences(effects: Effects) -> list[str]:
    """Each difference with its interval, stochastic depth less baseline, and what was saved of the compute."""
    told = [
        (f"val/top1 after the last epoch, {_DIFFERENCE}", effects.last_top1, "+.2f", " points"),
        (f"best val/top1, {_DIFFERENCE}", effects.best_top1, "+.2f", " points"),
        (f"val/loss after the last epoch, {_DIFFERENCE}", effects.last_loss, "+.4f", ""),
        ("compute saved", effects.compute_saved, ".1f", " %"),
        ("median step, SD / baseline", effects.time_ratio, ".3f", ""),
    ]
    return [f"{title}: {with_interval(value, form, unit)}" for title, value, form, unit in told if value is not None]


def with_interval(value: MeanEstimate, form: str, unit: str) -> str:
    """ "+0.27 points (95 % interval −1.35 to +1.88, 3 seeds)"; `form` formats one number."""
    return f"{number(value.mean, form)}{unit} ({interval(value, form)})"


def interval(value: MeanEstimate, form: str) -> str:
    if value.told is not None:
        return f"{value.told}, {value.n} seeds"
    if value.n == 1:
        return "one seed: no interval is available"
    if value.low is None or value.high is None:
        return f"{value.n} seeds that are all alike: no interval is available"
    return f"95 % interval {number(value.low, form)} to {number(value.high, form)}, {value.n} seeds"


def time_sentence(pairs: Sequence[Pair], effects: Effects, *, reference: str = "the baseline") -> str:
    """What the time of a step was beside the compute that was left; that it cannot be told, and why, where it can't."""
    left_out = _left_out(pairs)
    if effects.time_ratio is None:
        return f"Times are not compared. {left_out}" if left_out else ""
    told = _unexplained(pairs, effects, reference) or _explained(pairs, effects, reference)
    return f"{told} {left_out}".rstrip()


def tiles(effects: Effects) -> list[Figure]:
    shown = []
    if (top1 := effects.last_top1) is not None:
        title, remark = f"Last val/top1, {_DIFFERENCE}", interval(top1, "+.2f")
        shown.append(Figure(title=title, value=_points(top1), remark=remark))
    if (ratio := effects.time_ratio) is not None:
        title, value = "Median step, SD / baseline", f"{ratio.mean:.2f}"
        shown.append(Figure(title=title, value=value, remark=_bound(effects)))
    if (compute := effects.compute_ratio) is not None:
        share = f"{100 * compute.mean:.1f} %"
        shown.append(Figure(title="Compute of the training", value=share, remark="of the baseline's"))
    return shown


def _bound(effects: Effects) -> str:
    compute = effects.compute_ratio
    if compute is None:
        return "the compute is not known"
    return f"{compute.mean:.2f} at best" if effects.time_saved is not None else "not explained by skipping"


def number(value: float, form: str) -> str:
    """Without the sign of a zero, and with that of print."""
    text = format(value, form)
    return printed(format(0.0, form) if float(text) == 0 else text)


def printed(text: str) -> str:
    """A number's text as people read it."""
    return text.replace("-", MINUS)


def step_text(step: Quartiles | None, *, with_quartiles: bool = True) -> str:
    """ "81.7 ms (79.0 to 85.2)": the median time of a step, and its quartiles."""
    if step is None:
        return "–"
    unit, factor = ("s", 1.0) if step.median >= 1 else ("ms", 1000.0)
    spread = f" ({_short(step.q1 * factor)} to {_short(step.q3 * factor)})" if with_quartiles else ""
    return f"{_short(step.median * factor)} {unit}{spread}"


def step_seconds_text(seconds: float) -> str:
    """ "81.7 ms" or "1.25 s"."""
    return step_text(Quartiles(median=seconds, q1=seconds, q3=seconds, n=1), with_quartiles=False)


def _short(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"


def _points(value: MeanEstimate) -> str:
    return f"{number(value.mean, '+.2f')} points"


def _measured(pairs: Sequence[Pair], effects: Effects, reference: str) -> str:
    ratio = effects.time_ratio
    assert ratio is not None
    over = f"geometric mean of {ratio.n} pairs" if ratio.n > 1 else _of_one_pair(pairs)
    return f"The median step took {ratio.mean:.2f} of {reference}'s time ({over})"


def _of_one_pair(pairs: Sequence[Pair]) -> str:
    pair = next(pair for pair in pairs if pair.time_ratio is not None)
    if pair.time_low is None or pair.time_high is None:
        return "one pair"
    return f"one pair, {pair.time_low:.2f} to {pair.time_high:.2f} by its blocks of steps"


def _explained(pairs: Sequence[Pair], effects: Effects, reference: str) -> str:
    measured, compute, saved = _measured(pairs, effects, reference), effects.compute_saved, effects.time_saved
    if compute is None or saved is None:
        return f"{measured}."
    if compute.mean < LEAST_SKIPPED:
        return f"{measured}; no compute was skipped."
    bound = f"{1 - compute.mean / 100:.2f} of the compute was left, so skipping can save at most {compute.mean:.0f} %"
    ratio = effects.time_ratio
    if ratio is not None and ratio.low is not None and ratio.high is not None and ratio.low <= 1 <= ratio.high:
        return f"{measured}; {bound}. What it saved cannot be told from chance: the ratio's 95 % interval contains 1."
    if saved.mean < 0.5:
        return f"{measured}; {bound}, and saved nothing here."
    if saved.mean >= compute.mean:
        return f"{measured}; {bound}, and saved all of that."
    realised = f"{100 * saved.mean / compute.mean:.0f} % of the ideal saving"
    return f"{measured}; {bound}, and saved {saved.mean:.0f} %: {realised}."


def _unexplained(pairs: Sequence[Pair], effects: Effects, reference: str) -> str | None:
    """None where skipping can have made every ratio what it is."""
    found = [pair for pair in pairs if not pair.times.is_explained]
    compute = effects.compute_ratio
    if not found or compute is None:
        return None
    whose = "that" if len(found) == len(pairs) else f"the ratio of {_seeds(found)}"
    return (
        f"{_measured(pairs, effects, reference)}, and {compute.mean:.2f} of the compute was left. Skipping cannot "
        f"explain {whose}: something else slowed the steps of one of the two, such as other work on the machine, so "
        "what skipping saved is not known. Repeat the comparison on a machine that does nothing else."
    )


def _left_out(pairs: Sequence[Pair]) -> str:
    reasons: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.time_note is not None:
            reasons.setdefault(pair.time_note, []).append(pair)
    told = [f"{_seeds(found)}: {reason}." for reason, found in reasons.items()]
    return " ".join(f"{text[0].upper()}{text[1:]}" for text in told)


def _seeds(pairs: Sequence[Pair]) -> str:
    return f"seed{'s' if len(pairs) > 1 else ''} {', '.join(str(pair.seed) for pair in pairs)}"
