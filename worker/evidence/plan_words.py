"""A plan as a sentence, on screen, in reports and in a terminal."""

from __future__ import annotations

from worker.contract.plan import Plan, Question


def plan_sentence(plan: Plan, *, seeds: int) -> str:
    """What is asked of which metric, with which confidence, and how many seeds decide; `seeds` are the planned ones."""
    unit = "" if plan.metric == "val/loss" else " points"
    asked = "is there a difference"
    if plan.question is Question.NON_INFERIORITY:
        asked = f"is an arm worse by at most {plan.margin:g}{unit}"
    most = plan.most_seeds
    counted = _counted(seeds) if most is None else f"up to {_counted(most)}, until it is decided"
    return (
        f"Plan: {asked} in {plan.metric} after the last epoch? {100 * plan.confidence:g} % confidence, "
        f"{plan.stopping.value}: {counted}."
    )


def _counted(seeds: int) -> str:
    return f"{seeds} seed{'' if seeds == 1 else 's'}"
