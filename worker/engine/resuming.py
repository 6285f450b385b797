"""May a training go on from this checkpoint, and will it end with the same bits?"""

from __future__ import annotations

from worker.contract.config import RunConfig
from worker.engine.checkpoint import Checkpoint, CheckpointMismatch
from worker.engine.data.images import Dataset
from worker.engine.differences import differing_settings
from worker.engine.execution import Execution, versions


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


def changed_circumstances(found: Checkpoint, execution: Execution) -> list[str]:
    """What makes the rest of the run differ from an undisturbed one in its last bits, in sentences."""
    before = {"device": found.content["device"], "threads": found.threads, **found.content["versions"]}
    now = {"device": execution.device.type, "threads": execution.threads, **versions()}
    return [
        f"resumed with {name} {now[name]} instead of {value}; the last bits of the results may differ"
        for name, value in before.items()
        if now.get(name) != value
    ]
