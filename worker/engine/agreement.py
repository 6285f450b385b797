"""That the ranks which a launcher started have all been given the same command, before any of them does anything.

torchrun is started once on each machine, so one of its commands may be mistyped. Ranks with different settings would
train something that nobody asked for, or wait for each other without end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from torch.distributed import Store  # type: ignore[attr-defined]  # documented, and not declared as exported

from worker.contract.config import RunConfig
from worker.engine.launcher import Launch, LaunchRefused

Settings = Mapping[str, object]

#: In which the others read what the first found; its process may be the one that holds the store.
READ_SECONDS = 30


def settings_of(config: RunConfig, out: Path) -> dict[str, object]:
    """As JSON values: what every rank has to be given alike. Of --fresh, the first rank's counts for all."""
    return {"out": str(out), **config.model_dump(mode="json")}


def refuse_different_settings(settings: Settings, place: Launch, store: Store) -> None:
    """Every rank has to ask. Raises LaunchRefused, on all.

    Only `store` is used: ranks whose devices differ have no process group in common.
    """
    store.set(_settings_key(place.rank), json.dumps(settings))
    if place.rank == 0:
        store.set("settings/refusal", _refusal([json.loads(store.get(_settings_key(r))) for r in range(place.count)]))
    refusal = store.get("settings/refusal").decode()
    if not refusal:
        return
    store.set(_read_key(place.rank), "")
    if place.rank == 0:
        with suppress(RuntimeError):
            store.wait([_read_key(rank) for rank in range(place.count)], timedelta(seconds=READ_SECONDS))
    raise LaunchRefused(refusal)


def _refusal(by_rank: Sequence[Settings]) -> str:
    """Empty where they are all the same."""
    differing = [name for name in by_rank[0] if any(other.get(name) != by_rank[0][name] for other in by_rank)]
    if not differing:
        return ""
    told = "; ".join(_told(name, [settings.get(name) for settings in by_rank]) for name in differing)
    return f"the ranks were started with different settings: {told}. Give the same command on all machines"


def _told(name: str, values: Sequence[object]) -> str:
    """As "seed is 0 on rank 0 and 5 on ranks 1-3"."""
    ranks: dict[str, list[int]] = {}
    for rank, value in enumerate(values):
        ranks.setdefault("the default" if value is None else str(value), []).append(rank)
    return f"{name} is {' and '.join(f'{value} on {_named(those)}' for value, those in ranks.items())}"


def _named(ranks: Sequence[int]) -> str:
    """Ascending ranks, those in a row as a range."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"{'rank' if len(ranks) == 1 else 'ranks'} {', '.join(texts)}"


def _settings_key(rank: int) -> str:
    return f"settings/of/{rank}"


def _read_key(rank: int) -> str:
    return f"settings/read/{rank}"
