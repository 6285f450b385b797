"""Trains an assignment with the engine, from its newest sound checkpoint, and says how that ended."""

from __future__ import annotations

import logging
import sys

from worker.common.unfinished_checkpoints import remove_unfinished
from worker.engine.checkpoint import Checkpoint, CheckpointDamaged, CheckpointMismatch, CheckpointUnwritable, load
from worker.engine.data.errors import DataError
from worker.engine.data.images import Dataset
from worker.engine.data.open import open_dataset
from worker.engine.out_of_memory import reason_of
from worker.engine.outcome import DeviceUnavailable, RankLost, TrainingDiverged
from worker.engine.trainer import train
from worker.evidence.predictions import FILE_NAME
from worker.jobs.lifeline import Lifeline
from worker.jobs.pipe import PipeControl, PipeSink
from worker.jobs.wire import Damaged, Ended, Outcome

#: Their texts are written for the person who launched the run.
_EXPLAINED = (DataError, DeviceUnavailable, CheckpointMismatch, TrainingDiverged)

log = logging.getLogger(__name__)


def train_assignment(lifeline: Lifeline) -> Ended | None:
    """Returns the trainer's last word; whatever goes wrong is in it, with a traceback in the log where that helps.

    None where another rank was lost: like a trainer that was killed, the run is queued again, and fails only when that
    does not help.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    config = lifeline.assignment.spec.config
    try:
        return _train(lifeline)
    except RankLost as loss:
        PipeSink(lifeline).notice(str(loss))
        log.error("%s", loss)
        return None
    except CheckpointUnwritable as error:
        return Ended(outcome=Outcome.UNSAVED, reason=str(error))
    except _EXPLAINED as error:
        return Ended(outcome=Outcome.FAILED, reason=str(error))
    except Exception as error:  # the edge of the process
        log.exception("the training failed")
        return Ended(outcome=Outcome.FAILED, reason=reason_of(error, config))


def _train(lifeline: Lifeline) -> Ended:
    spec, sink = lifeline.assignment.spec, PipeSink(lifeline)
    for earlier in lifeline.assignment.earlier_checkpoint_folders():
        remove_unfinished(earlier)
    dataset = open_dataset(spec.config)
    resume = newest_sound(lifeline, dataset)
    if resume is None and spec.checkpoints:
        sink.notice("no checkpoint of this run can be read any more; it begins anew")
    outcome = train(
        spec.config,
        sink=sink,
        control=PipeControl(lifeline),
        checkpoints=lifeline.assignment.checkpoint_folder,
        predictions=lifeline.assignment.checkpoint_folder / FILE_NAME,
        resume=resume,
        dataset=dataset,
    )
    return Ended(outcome=Outcome(outcome.ending.value), step=outcome.step, elapsed_seconds=outcome.elapsed_seconds)


def newest_sound(lifeline: Lifeline, dataset: Dataset) -> Checkpoint | None:
    """The newest checkpoint that can be read; None where there is none, and the training begins anew."""
    assignment = lifeline.assignment
    for reference in assignment.spec.checkpoints:
        try:
            return load(assignment.checkpoint_file(reference.path), dataset=dataset)
        except CheckpointDamaged as error:
            lifeline.say(Damaged(path=reference.path, reason=f"{error}; it is passed over"))
    return None
