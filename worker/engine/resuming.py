"""May a training go on from this checkpoint, and will it end with the same bits?"""

from __future__ import annotations

from worker.contract.config import RunConfig
from worker.engine.checkpoint import Checkpoint, CheckpointMismatch
from worker.engine.data.images import Dataset
from worker.engine.execution import Execution, versions

#: Settings that may change between two attempts, because they do not change a result.
FREE = frozenset({"loader_workers", "checkpoint_minutes"})


def check_resumable(found: Checkpoint, *, config: RunConfig, dataset: Dataset) -> None:
    """Raises CheckpointMismatch where another configuration or other images made the checkpoint."""
    differing = differing_settings(found.config, config)
    if differing:
        raise CheckpointMismatch(f"checkpoint {found.path} is of another configuration: {'; '.join(differing)}")
    if found.content["images"] != dataset.fingerprint:
        raise CheckpointMismatch(
            f"the images of {dataset.name} are not those with which checkpoint {found.path} was made; "
            "put the old ones back or begin a new run"
        )


def differing_settings(before: dict[str, object], config: RunConfig) -> list[str]:
    """As "lr was 0.1 and is 0.2", for every setting that matters."""
    after = config.model_dump(mode="json")
    names = [name for name in after if name not in FREE and before.get(name) != after[name]]
    return [f"{name} was {before.get(name)} and is {after[name]}" for name in names]


def changed_circumstances(found: Checkpoint, execution: Execution) -> list[str]:
    """What makes the rest of the run differ from an undisturbed one in its last bits, in sentences."""
    before = {"device": found.content["device"], "threads": found.threads, **found.content["versions"]}
    now = {"device": execution.device.type, "threads": execution.threads, **versions()}
    return [
        f"resumed with {name} {now[name]} instead of {value}; the last bits of the results may differ"
        for name, value in before.items()
        if now.get(name) != value
    ]
