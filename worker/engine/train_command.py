"""`train`: one run in a results folder; the same command goes on where it stopped."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from worker.contract.config import RunConfig
from worker.engine import execution
from worker.engine.checkpoint import (
    Checkpoint,
    CheckpointDamaged,
    CheckpointMismatch,
    CheckpointUnwritable,
    checkpoint_path,
    load,
    newest_first,
)
from worker.engine.company import launched_rank
from worker.engine.data.errors import DataError, DataUnreadable
from worker.engine.data.images import Dataset
from worker.engine.data.open import cached_as_asked, described, list_images
from worker.engine.leaving import leaving_at_once
from worker.engine.out_of_memory import reason_of
from worker.engine.outcome import DeviceUnavailable, Ending, Outcome, TrainingDiverged
from worker.engine.ports import MetricSink, NullControl, NullSink
from worker.engine.results import FolderRefused, ResultsFolder
from worker.engine.signals import HEEDED, SignalControl
from worker.engine.sinks.console import Console
from worker.engine.sinks.fanout import FanOut
from worker.engine.sinks.history import HistoryFile
from worker.engine.sinks.keeper import CheckpointKeeper
from worker.engine.sinks.log_file import LogFile
from worker.engine.sinks.summary import SummaryFile
from worker.engine.sinks.tensorboard import TensorBoardEvents, is_installed
from worker.engine.trainer import train

BAD_INPUT, FAILED, BY_SIGNAL = 2, 1, 128


def run(config: RunConfig, *, out: Path, fresh: bool) -> int:
    """The exit code: 0 completed, 2 for input that cannot be trained, 128 + the signal that paused it, else 1."""
    folder = ResultsFolder(out)
    try:
        with leaving_at_once():
            dataset = list_images(config)
        dataset = cached_as_asked(dataset, config)
        execution.settle(config)
        if launched_rank():
            return _follow(folder, config, dataset)
        control = SignalControl(heard=_say_pausing)
        with folder.locked(), control.listening():
            if fresh:
                folder.clear()
            return _train_in(folder, config, dataset, control)
    except (DataError, DeviceUnavailable, FolderRefused, CheckpointMismatch) as refusal:
        print(refusal, file=sys.stderr)
        return BAD_INPUT


def _train_in(folder: ResultsFolder, config: RunConfig, dataset: Dataset, control: SignalControl) -> int:
    folder.write_config(config)
    console, log = Console(sys.stdout), LogFile(folder.log)
    summary = SummaryFile(folder.summary, history=folder.history, config=config)
    events = TensorBoardEvents(folder.tensorboard) if is_installed() else None
    told = FanOut([console, log])
    told.log(described(dataset, config))
    for warning in config.warnings():
        told.notice(warning)
    if events is None:
        told.notice("no TensorBoard events: pip install tensorboard to have them")
    resume = newest_sound_checkpoint(folder.checkpoints, told)
    keeper = CheckpointKeeper(
        folder.checkpoints,
        newest=config.keep_checkpoints,
        last=resume.path if resume else None,
        best=_best_checkpoint(folder, resume),
    )
    sinks: list[MetricSink] = [told, HistoryFile(folder.history), summary, keeper]
    try:
        outcome = train(
            config,
            sink=FanOut([*sinks, *([events] if events else [])]),
            control=control,
            checkpoints=folder.checkpoints,
            resume=resume,
            dataset=dataset,
        )
    except (CheckpointUnwritable, DataUnreadable, TrainingDiverged) as error:
        return _failed(str(error), told=told, summary=summary)
    except (DataError, DeviceUnavailable, CheckpointMismatch):
        raise
    except Exception as error:  # noqa: BLE001  the edge of the process: the reason must reach log and summary
        with suppress(OSError):
            log.log(traceback.format_exc())
        return _failed(_unforeseen(error, config, folder), told=told, summary=summary)
    finally:
        if events is not None:
            events.close()
    summary.finish(outcome)
    told.log(_farewell(outcome, folder))
    return 0 if outcome.ending is Ending.COMPLETED else BY_SIGNAL + (control.received or 0)


def _follow(folder: ResultsFolder, config: RunConfig, dataset: Dataset) -> int:
    """A rank that a launcher has started beside the first: it obeys, and neither tells nor writes anything."""
    for number in HEEDED:
        # torchrun hands a signal to all; the first rank decides what it means.
        signal.signal(number, signal.SIG_IGN)
    resume = newest_sound_checkpoint(folder.checkpoints, NullSink())
    train(
        config,
        sink=NullSink(),
        control=NullControl(),
        checkpoints=folder.checkpoints,
        resume=resume,
        dataset=dataset,
    )
    return 0


def _say_pausing() -> None:
    """Past Python's buffers: the signal may have come in the middle of writing to one of them."""
    os.write(sys.stderr.fileno(), b"\npausing: writing a checkpoint (again to quit without)\n")


def newest_sound_checkpoint(folder: Path, told: MetricSink) -> Checkpoint | None:
    for path in newest_first(folder):
        try:
            return load(path)
        except CheckpointDamaged as damage:
            told.notice(f"{damage}; passed over")
    return None


def _best_checkpoint(folder: ResultsFolder, resume: Checkpoint | None) -> Path | None:
    best = resume.content["best"] if resume else None
    return None if best is None else checkpoint_path(folder.checkpoints, best["step"])


def _unforeseen(error: Exception, config: RunConfig, folder: ResultsFolder) -> str:
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = f"; make room for {folder.root}, then the same command goes on" if is_full else ""
    return f"{reason_of(error, config)}{remedy}"


def _failed(reason: str, *, told: MetricSink, summary: SummaryFile) -> int:
    # A full disk may be the very reason; the console is told first.
    with suppress(OSError):
        told.log(f"failed: {reason}")
        summary.fail(reason)
    return FAILED


def _farewell(outcome: Outcome, folder: ResultsFolder) -> str:
    if outcome.ending is Ending.COMPLETED:
        best = f", best val/top1 {outcome.best.top1:.2f} % at step {outcome.best.step}" if outcome.best else ""
        return f"completed in {outcome.elapsed_seconds:.0f} s{best}; results in {folder.root}"
    return f"paused after step {outcome.step}; the same command goes on from there"
