"""A rank among the others: torch's process groups, and an end for all when one of them is gone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed import Store, rendezvous  # type: ignore[attr-defined]  # documented, not declared as exported

from worker.contract.config import RunConfig
from worker.engine import launcher
from worker.engine.agreement import refuse_different_settings, settings_of
from worker.engine.checkpoint import CheckpointMismatch
from worker.engine.data.errors import DataError
from worker.engine.execution import device_of
from worker.engine.launcher import Launch
from worker.engine.liveness import NEWS_SECONDS, Watch
from worker.engine.out_of_memory import is_out_of_memory
from worker.engine.outcome import RankLost, TrainingDiverged
from worker.engine.rank_connections import DONE, FirstsConnections, OthersConnection
from worker.engine.ranks import Ranks
from worker.engine.results import FolderRefused

#: How long a rank waits for another: the first batch of a cold disk may take minutes.
PATIENCE = timedelta(minutes=20)


#: All ranks come to them alike, so none is lost.
ALIKE = (TrainingDiverged, DataError, CheckpointMismatch, FolderRefused)


@contextmanager
def joined(config: RunConfig, place: Launch, *, store: Store, watch: Watch | None = None) -> Iterator[Ranks]:
    """Meets the others in `store`. Raises DeviceUnavailable."""
    device = device_of(config, local_rank=place.local_rank, local_count=place.local_count)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE, store=store, rank=place.rank, world_size=place.count)
    try:
        yield Ranks(
            rank=place.rank,
            count=place.count,
            local_rank=place.local_rank,
            local_count=place.local_count,
            words=_words_group(),
            watch=watch,
        )
    except ALIKE:
        dist.destroy_process_group()
        raise
    except BaseException:
        # NCCL would wait for what its kernels wait for, which may be a rank that is gone.
        if device.type != "cuda":
            dist.destroy_process_group()
        raise
    else:
        dist.destroy_process_group()


@contextmanager
def losses_named(watch: Watch | None) -> Iterator[None]:
    """Raises RankLost in place of the errors that a lost rank brings to those that wait for it."""
    try:
        yield
    except (*ALIKE, RankLost):
        raise
    except RuntimeError as error:
        lost = watch.reason(seconds=0.0 if is_out_of_memory(error) else NEWS_SECONDS) if watch else None
        if lost is None:
            raise
        raise RankLost(lost) from error


@contextmanager
def launched_company(config: RunConfig, launch: Launch, *, out: Path, tell: Callable[[str], None]) -> Iterator[Ranks]:
    """All ranks that a launcher has started, when the last of them is here and all are to train the same into `out`.

    `tell` is as in `company`. Raises LaunchRefused, DeviceUnavailable and RankLost.
    """
    watch, store = Watch(tell), _launchers_store()
    refuse_different_settings(settings_of(config, out), launch, store)
    with (
        joined(config, launch, store=store, watch=watch) as ranks,
        _connected(ranks, watch),
        closing(watch),
        losses_named(watch),
    ):
        yield ranks


@contextmanager
def _connected(ranks: Ranks, watch: Watch) -> Iterator[None]:
    """At the end each says that it is done, or why it fails."""
    connections, last = _connections(ranks, watch), DONE
    try:
        yield
    except ALIKE:
        raise
    except BaseException as error:
        last = f"{type(error).__name__}: {error}"
        raise
    finally:
        if connections is not None:
            connections.say(last)
            connections.close()


def _connections(ranks: Ranks, watch: Watch) -> FirstsConnections | OthersConnection | None:
    """None where the first rank cannot be reached: then only torch itself notices that a rank is gone."""
    address = os.environ[launcher.ADDRESS]
    if ranks.is_first:
        # On several machines a name may mean another address here than there.
        on_one_machine = ranks.local_count == ranks.count
        first = FirstsConnections(watch, count=ranks.count, address=address if on_one_machine else "")
        ranks.tell(json.dumps([first.port, first.token]))
        return first
    port, token = json.loads(ranks.tell())
    with suppress(OSError):
        return OthersConnection(watch, rank=ranks.rank, count=ranks.count, address=address, port=port, token=token)
    return None


def _launchers_store() -> Store:
    """Where torch itself would let the ranks meet, by what the launcher said in the environment."""
    store, _, _ = next(rendezvous("env://", timeout=PATIENCE))
    store.set_timeout(PATIENCE)
    assert isinstance(store, Store)
    return store


def _words_group() -> dist.ProcessGroup:
    group = dist.new_group(backend="gloo", timeout=PATIENCE)
    assert isinstance(group, dist.ProcessGroup)
    return group
