"""What runs of one comparison differ in beside their arms: the machine, threads and versions that trained them."""

from __future__ import annotations

from collections.abc import Sequence

from worker.contract.arms import ARM_TITLES
from worker.evidence.figures import Machine
from worker.evidence.pairs import CompletedRun
from worker.evidence.timing import differing

#: More of them are counted instead of named.
_MOST_NAMED = 3


def circumstances(runs: Sequence[CompletedRun]) -> list[str]:
    """A sentence for each way in which the runs of a seed were not trained alike; none where that is not recorded.

    The arms of a seed share weights, images and order only where the same software computes them on the same kind of
    device; what differs beside the arms may be part of their difference.
    """
    return [*_moved(runs), *_unlike(runs)]


def _moved(runs: Sequence[CompletedRun]) -> list[str]:
    moved = [run for run in runs if len(run.machines) > 1]
    if not moved:
        return []
    how = "; ".join(dict.fromkeys(differing(run.machines) for run in moved))
    return [
        f"{_named(moved)} went on under other circumstances than {'it' if len(moved) == 1 else 'they'} began with: "
        f"trained {how} in turn."
    ]


def _unlike(runs: Sequence[CompletedRun]) -> list[str]:
    """Of seeds whose runs were each trained in one place, but not all in the same."""
    unlike: dict[str, list[int]] = {}
    for seed in dict.fromkeys(run.seed for run in runs):
        places = _places([run for run in runs if run.seed == seed])
        if len(places) > 1:
            unlike.setdefault(differing(places), []).append(seed)
    return [
        f"The arms of {_seeds(seeds)} were trained {how}: what that changes is part of their difference."
        for how, seeds in unlike.items()
    ]


def _places(runs: Sequence[CompletedRun]) -> list[Machine]:
    found: list[Machine] = []
    for run in runs:
        found += [machine for machine in run.machines if len(run.machines) == 1 and machine not in found]
    return found


def _named(runs: Sequence[CompletedRun]) -> str:
    if len(runs) > _MOST_NAMED:
        return f"{len(runs)} runs"
    named = [f"{ARM_TITLES.get(run.arm, run.arm)} of seed {run.seed}" for run in runs]
    text = " and ".join(named)
    return text[:1].upper() + text[1:] if runs[0].arm in ARM_TITLES else text


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > _MOST_NAMED:
        return f"{len(seeds)} seeds"
    return f"seed{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"
