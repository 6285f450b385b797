"""One granted attempt: its files, its training process, and what is said when that is gone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import worker
from worker.common.cores import SHARE
from worker.common.gpus import counted_as, visible
from worker.common.unfinished_checkpoints import remove_unfinished
from worker.contract.messages import Held, RunSpec
from worker.jobs.courier import Courier
from worker.jobs.devices import Slot, uses_rocm
from worker.jobs.ending import LastWord
from worker.jobs.identity import Identity
from worker.jobs.outbox import Outbox
from worker.jobs.process_group import ProcessGroup, process_mark
from worker.jobs.settings import Settings
from worker.jobs.spool import Spool, SpoolHeader
from worker.jobs.storage import Storage
from worker.jobs.supervisor import Supervisor
from worker.jobs.training_log import TrainingLog
from worker.jobs.wire import Assignment

SPOOL_FOLDER = "spool"
_PACKAGES = str(Path(worker.__file__).resolve().parents[1])
#: The trainer needs neither the database nor Redis, nor what opens them.
_SECRETS = ("RESDROP_DATABASE_URL", "RESDROP_REDIS_URL", "RESDROP_TOKEN")

log = logging.getLogger(__name__)


def trainer_environment(
    slots: Sequence[Slot], *, threads: int, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """What the trainer's process finds: our packages, its GPUs only, its share of the CPUs, and no secrets.

    `threads` are a slot's.
    """
    kept = {name: value for name, value in environment.items() if name not in _SECRETS}
    gpus = visible([slot.visible for slot in slots if slot.is_gpu], rocm=uses_rocm())
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, [_PACKAGES, environment.get("PYTHONPATH")])),
        **counted_as(environment),
        **gpus,
        "OMP_NUM_THREADS": str(threads),
        SHARE: str(threads * len(slots)),
        "PYTHONUNBUFFERED": "1",
    }


class Attempt:
    """To be run by the thread that makes it (see ProcessGroup)."""

    def __init__(
        self,
        spec: RunSpec,
        held: Held,
        *,
        slots: Sequence[Slot],
        threads: int,
        identity: Identity,
        settings: Settings,
        courier: Courier,
        trainers: set[int],
        storage: Storage,
        note_outbox: Callable[[Outbox], None],
        is_closing: Callable[[], bool],
    ) -> None:
        """`note_outbox` is given what the attempt says by, as soon as there is such; `trainers` has the process id of
        the trainer in it for as long as there is one."""
        self._spec = spec
        self._held = held
        self._slots = slots
        self._threads = threads
        self._identity = identity
        self._settings = settings
        self._courier = courier
        self._trainers = trainers
        self._storage = storage
        self._note_outbox = note_outbox
        self._is_closing = is_closing
        self._outbox: Outbox | None = None

    def train(self) -> LastWord | None:
        """Returns when nothing of the training is left: what is to be said then, by `say_last`."""
        folder = self._assignment().checkpoint_folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            # The worker's trouble and not the run's: another may train it, or this one when that is over.
            log.error("run %s: %s", self._spec.run_id, error)
            self._storage.look()
            reason = f"worker {self._identity.worker_id} cannot write to {folder} ({error.strerror})"
            return LastWord("released", {"reason": reason, "crashed": True})
        try:
            with closing(TrainingLog(folder / "train.log")) as training_log:
                return self._train(training_log)
        except OSError as error:
            log.error("run %s: %s", self._spec.run_id, error)
            return LastWord("failed", {"reason": f"the worker cannot start the training: {error}"})

    def say_last(self, word: LastWord | None) -> None:
        """The last message of the attempt; with None it falls silent, for a later attempt has taken its place."""
        outbox = self._outbox or self._open_outbox(None)
        if word is None:
            outbox.drop()
        else:
            outbox.say(word.kind, **word.body)
        self._courier.wake()

    def _train(self, training_log: TrainingLog) -> LastWord | None:
        environment = trainer_environment(self._slots, threads=self._threads)
        with closing(ProcessGroup(self._settings.trainer_command, environment=environment)) as group:
            self._trainers.add(group.pid)
            try:
                self._outbox = self._open_outbox(group)
                self._note_outbox(self._outbox)
                return self._supervisor(group, self._outbox, training_log).watch()
            except Exception as error:  # whatever failed here, the run has to be let go in order
                log.exception("run %s: its supervisor failed", self._spec.run_id)
                return LastWord("released", {"reason": f"the worker failed: {error!r}", "crashed": True})
            finally:
                group.end()
                self._trainers.discard(group.pid)
                # Nobody writes there any more; of a trainer that was killed, half a checkpoint may be left.
                remove_unfinished(self._assignment().checkpoint_folder)

    def _supervisor(self, group: ProcessGroup, outbox: Outbox, training_log: TrainingLog) -> Supervisor:
        return Supervisor(
            group,
            assignment=self._assignment(),
            outbox=outbox,
            log=training_log,
            settings=self._settings,
            storage=self._storage,
            checkpoint_bytes=newest_checkpoint_bytes(self._spec, self._settings.files),
            wake=self._courier.wake,
            is_closing=self._is_closing,
        )

    def _assignment(self) -> Assignment:
        return Assignment(
            spec=self._spec,
            files=self._settings.files,
            root_id=self._identity.root_id,
            supervisor_pid=os.getpid(),
        )

    def _open_outbox(self, group: ProcessGroup | None) -> Outbox:
        header = SpoolHeader(
            worker_id=self._identity.worker_id,
            boot_id=self._identity.boot_id,
            run_id=self._spec.run_id,
            attempt=self._spec.attempt,
            claim_id=self._held.claim_id,
            trainer_pid=group.pid if group else None,
            trainer_mark=process_mark(group.pid) if group else "",
        )
        outbox = Outbox(Spool.create(self._settings.state / SPOOL_FOLDER, header))
        if outbox.complaint is not None:
            self._storage.look()
        self._courier.add(outbox)
        return outbox


def newest_checkpoint_bytes(spec: RunSpec, files: Path) -> int:
    """About what the run's next checkpoint will take; 0 where nothing tells."""
    for reference in spec.checkpoints[:1]:
        with suppress(OSError):
            return (files / reference.path).stat().st_size
    return 0
