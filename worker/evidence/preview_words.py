"""What is said of a comparison before it is launched."""

from __future__ import annotations

from worker.contract.plan import Plan, Stopping
from worker.evidence.sensitivity import JUDGED_DIFFERENTLY, Reach, Spread

_FOUND = "4 of 5 studies"
#: Accuracies differ by no more points.
_MOST_POINTS = 100


def headline(reached: Reach | None, plan: Plan, *, seeds: int) -> str:
    """What the planned number of seeds can show."""
    if seeds < 2:
        return "One seed says nothing of other seeds: the verdict will be that it is not enough. Plan at least 2."
    count = f"{'Up to ' if plan.stopping is Stopping.SEQUENTIAL else ''}{seeds} seeds"
    if reached is None:
        return f"{count}. What they can show is not known before some have ended."
    if reached.half_width is None or reached.detectable is None or _is_beyond_all(reached, plan):
        return f"{count} are too few to decide anything. Plan more."
    if plan.margin is not None:
        remedy = " Plan more seeds or a wider margin." if plan.margin < reached.detectable else ""
        return (
            f"{count}: arms that are alike are found not inferior in {_FOUND} if the margin is "
            f"{_amount(reached.detectable, plan)}; the plan's is {plan.margin:g}.{remedy}"
        )
    return (
        f"{count}: an interval of about ±{_amount(reached.half_width, plan)}; a true difference of "
        f"{_amount(reached.detectable, plan)} is found in {_FOUND}."
    )


def _is_beyond_all(reached: Reach, plan: Plan) -> bool:
    return plan.metric != "val/loss" and max(reached.half_width or 0.0, reached.detectable or 0.0) >= _MOST_POINTS


def spread_sentence(spread: Spread | None, plan: Plan) -> str:
    if spread is None:
        return "How much a difference varies over seeds is not known: no earlier comparison here has like settings."
    amount = _amount(spread.value, plan)
    if spread.degrees:
        return (
            f"Over seeds, differences had a standard deviation of {amount} in earlier comparisons here with the same "
            f"data, depth, image size, batch and epochs ({spread.degrees} degrees of freedom)."
        )
    return (
        f"Assumed: over seeds, differences have a standard deviation of {amount}, as if the arms judged "
        f"{_share(plan)} of the images differently and nothing else varied. No earlier comparison here has "
        "like settings."
    )


def image_sentence(images: int | None, half_width: float | None, plan: Plan) -> str:
    if images is None or half_width is None:
        return ""
    return (
        f"What one seed shows of its two networks is known to ±{half_width:.2f} points, for there are {images:,} "
        f"validation images: assumed that {_share(plan)} of them are judged differently."
    )


def cost_sentence(hours: float | None, *, timed_runs: int, timed_arms: int, arms: int, device: str | None) -> str:
    """`timed_runs` are those of the arm that has the fewest, `timed_arms` the arms that have any."""
    if hours is None:
        missing = f"{arms - timed_arms} of the {arms} arms" if timed_arms else "these arms"
        return (
            f"Device hours are not measured here yet: no run with the settings of {missing} has completed. Run resdrop "
            "estimate."
        )
    source = "a completed run" if timed_runs == 1 else f"{timed_runs} or more completed runs"
    return f"About {shown_hours(hours)} of device time, by {source} with these settings on {device}."


def shown_hours(hours: float) -> str:
    if hours < 1 / 60:
        return f"{3600 * hours:.0f} s"
    if hours < 2:
        return f"{60 * hours:.0f} minutes"
    return f"{hours:.1f} hours" if hours < 100 else f"{hours:,.0f} hours"


def _share(plan: Plan) -> str:
    return f"{100 * JUDGED_DIFFERENTLY[plan.metric]:g} %"


def _amount(value: float, plan: Plan) -> str:
    """Two digits that tell something."""
    if plan.metric == "val/loss":
        return f"{value:.2g}"
    return f"{value:.2f} points" if value >= 0.01 else f"{value:.2g} points"
