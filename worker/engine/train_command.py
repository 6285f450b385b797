"""`train`: one run in a results folder; the same command goes on where it stopped."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from worker.common.disk import remedy_of, takes_nothing
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
from worker.engine.data.errors import DataError, DataUnreadable
from worker.engine.data.images import Dataset
from worker.engine.data.open import cached_as_asked, described, list_images
from worker.engine.decision import Decision, checkpoint_seen_by_all, listed_by_all
from worker.engine.joining import launched_company
from worker.engine.launcher import Launch, is_restart
from worker.engine.leaving import leaving_at_once
from worker.engine.out_of_memory import reason_of
from worker.engine.outcome import DeviceUnavailable, Ending, Outcome, RankLost, TrainingDiverged
from worker.engine.output import complain, say
from worker.engine.ports import MetricSink, NullControl, NullSink
from worker.engine.ranks import Ranks
from worker.engine.results import FolderRefused, ResultsFolder
from worker.engine.signals import BY_SIGNAL, SignalControl, leave_signals_to_another
from worker.engine.sinks.console import Console
from worker.engine.sinks.deferred import Flushed, Refusals
from worker.engine.sinks.fanout import FanOut
from worker.engine.sinks.history import HistoryFile
from worker.engine.sinks.keeper import CheckpointKeeper
from worker.engine.sinks.log_file import LogFile
from worker.engine.sinks.summary import SummaryFile
from worker.engine.sinks.tensorboard import TensorBoardEvents, is_installed
from worker.engine.trainer import train

BAD_INPUT, FAILED = 2, 1
GOES_ON = "the same command goes on from the last checkpoint"


def run(config: RunConfig, *, out: Path, fresh: bool, launch: Launch | None = None) -> int:
    """The exit code: 0 completed, 2 for input that cannot be trained, 128 + the signal that paused it, else 1.

    `launch` is this process's place among several that a launcher has started.
    """
    folder = ResultsFolder(out)
    try:
        if launch is None or launch.count == 1:
            return _train_alone(folder, config, fresh=fresh)
        return _train_together(folder, config, launch, fresh=fresh)
    except (DataError, DeviceUnavailable, FolderRefused, CheckpointMismatch) as refusal:
        complain(str(refusal))
        return BAD_INPUT
    except _Failed:
        return FAILED


def _train_alone(folder: ResultsFolder, config: RunConfig, *, fresh: bool) -> int:
    with leaving_at_once():
        dataset = list_images(config)
    dataset = cached_as_asked(dataset, config)
    execution.settle(config)
    control = SignalControl(heard=_say_pausing)
    with folder.locked(), control.listening():
        beginning = _beginning(folder, config, dataset, fresh=fresh)
        return 0 if beginning is None else _train_in(folder, config, dataset, control, beginning)


def _train_together(folder: ResultsFolder, config: RunConfig, launch: Launch, *, fresh: bool) -> int:
    """One of several ranks, of which the first decides what is deleted and from where all go on."""
    try:
        with launched_company(config, launch, out=folder.root, tell=_say_lost) as ranks:
            dataset = listed_by_all(config, ranks)
            if not ranks.is_first:
                return _follow(folder, config, dataset, ranks)
            # torchrun begins all ranks anew where one has failed; what they had done is not to be deleted then.
            return _lead(folder, config, dataset, ranks, fresh=fresh and not is_restart())
    except RankLost as loss:
        _say_lost(str(loss))
        return FAILED


def _lead(folder: ResultsFolder, config: RunConfig, dataset: Dataset, ranks: Ranks, *, fresh: bool) -> int:
    control = SignalControl(heard=_say_pausing)
    with ExitStack() as held:
        try:
            held.enter_context(folder.locked())
            held.enter_context(control.listening())
            beginning = _beginning(folder, config, dataset, fresh=fresh)
        except (FolderRefused, CheckpointMismatch) as refusal:
            # Before the others hear of it: the first that ends has the launcher end the rest.
            complain(str(refusal))
            Decision(exit_code=BAD_INPUT).tell(ranks)
            return BAD_INPUT
        if beginning is None:
            Decision(exit_code=0).tell(ranks)
            return 0
        Decision.to_train(beginning.resume).tell(ranks)
        checkpoint_seen_by_all(None, ranks)
        return _train_in(folder, config, dataset, control, beginning, ranks=ranks)


def _follow(folder: ResultsFolder, config: RunConfig, dataset: Dataset, ranks: Ranks) -> int:
    """It obeys the first rank, and neither tells nor writes anything."""
    leave_signals_to_another()
    decision = Decision.hear(ranks)
    if decision.exit_code is not None:
        return decision.exit_code
    resume = checkpoint_seen_by_all(decision, ranks)
    nothing, nobody = NullSink(), NullControl()
    try:
        train(
            config,
            sink=nothing,
            control=nobody,
            checkpoints=folder.checkpoints,
            resume=resume,
            dataset=dataset,
            ranks=ranks,
        )
    except (TrainingDiverged, DataUnreadable):
        return FAILED
    return 0


class _Failed(Exception):
    """The training failed, and that is noted."""


@dataclass(frozen=True)
class _Beginning:
    """From where a run begins or goes on, and what there is to say of it. Nothing is written yet."""

    resume: Checkpoint | None
    is_fresh: bool
    notices: tuple[str, ...] = ()


def _beginning(folder: ResultsFolder, config: RunConfig, dataset: Dataset, *, fresh: bool) -> _Beginning | None:
    """None where the run is completed, which is said. Raises FolderRefused and CheckpointMismatch."""
    folder.refuse_strangers()
    if fresh:
        return _Beginning(None, is_fresh=True)
    folder.refuse_other_run(config)
    if folder.has_completed():
        say(folder.completed_before())
        return None
    passed_over = _Noted()
    resume = newest_sound_checkpoint(folder.checkpoints, passed_over, dataset=dataset)
    return _Beginning(resume, is_fresh=False, notices=tuple(passed_over.notices))


class _Noted(NullSink):
    """Keeps notices until somewhere to tell them is there."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)


def _train_in(
    folder: ResultsFolder,
    config: RunConfig,
    dataset: Dataset,
    control: SignalControl,
    beginning: _Beginning,
    *,
    ranks: Ranks | None = None,
) -> int:
    if beginning.is_fresh:
        folder.clear()
    folder.write_config(config)
    refusals = Refusals(folder.root)
    console, log, history = Console(sys.stdout), LogFile(folder.log, refusals), HistoryFile(folder.history, refusals)
    summary = SummaryFile(folder.summary, refusals, history=folder.history, config=config)
    events = TensorBoardEvents(folder.tensorboard, refusals, history=history) if is_installed() else None
    told = FanOut([console, log])
    told.log(described(dataset, config))
    missing = () if events else ("no TensorBoard events: pip install tensorboard to have them",)
    for warning in (*config.warnings(), *beginning.notices, *missing):
        told.notice(warning)
    if refusals.refused:
        # Nothing has been trained yet; from now on a file that cannot be written ends nothing.
        raise FolderRefused(f"--out {folder.root} cannot be written to: {refusals.reasons}; mend that first")
    refusals.tell_by(told.notice)
    resume = beginning.resume
    keeper = CheckpointKeeper(
        folder.checkpoints,
        refusals,
        newest=config.keep_checkpoints,
        last=resume.path if resume else None,
        best=_best_checkpoint(folder, resume),
    )
    sinks: list[MetricSink] = [told, history, summary, keeper]
    try:
        outcome = train(
            config,
            sink=FanOut([*sinks, *([events] if events else [])]),
            control=control,
            checkpoints=folder.checkpoints,
            predictions=folder.predictions,
            resume=resume,
            dataset=dataset,
            ranks=ranks,
            lost=lambda reason: _note_failed(f"{reason}; {GOES_ON}", told=told, summary=summary),
        )
    except RankLost as loss:
        raise _failed(f"{loss}; {GOES_ON}", told=told, summary=summary) from loss
    except (CheckpointUnwritable, DataUnreadable, TrainingDiverged) as error:
        raise _failed(str(error), told=told, summary=summary) from error
    except (DataError, DeviceUnavailable, CheckpointMismatch):
        raise
    except Exception as error:  # the edge of the process: the reason must reach log and summary
        with suppress(OSError):
            log.log(traceback.format_exc())
        raise _failed(_unforeseen(error, config, folder), told=told, summary=summary) from error
    else:
        # What cannot be written is told below.
        with suppress(OSError):
            summary.finish(outcome)
        with suppress(OSError):
            told.log(_farewell(outcome, folder))
    finally:
        # In this order: the events may be written anew from the history.
        written: dict[str, Flushed] = {folder.history.name: history, folder.checkpoints.name: keeper}
        if events is not None:
            written[folder.tensorboard.name] = events
        refusals.write_last(written | {folder.summary.name: summary, folder.log.name: log})
        if events is not None:
            events.close()
        if refusals.refused:
            complain(
                f"not all was written to {refusals.reasons} in {folder.root}, and what is missing there is lost; the "
                "checkpoints that are there are whole"
            )
    if refusals.refused:
        return FAILED
    return 0 if outcome.ending is Ending.COMPLETED else BY_SIGNAL + (control.received or 0)


def _say_lost(reason: str) -> None:
    complain(f"the training ends: {reason}; {GOES_ON}")


def _say_pausing() -> None:
    """Past Python's buffers: the signal may have come in the middle of writing to one of them."""
    with suppress(OSError):
        os.write(2, b"\npausing: writing a checkpoint (again to quit without)\n")


def newest_sound_checkpoint(folder: Path, told: MetricSink, *, dataset: Dataset | None = None) -> Checkpoint | None:
    """Also of a training that goes on meanwhile, which replaces its checkpoints by newer ones; `dataset` as `load`."""
    seen: set[Path] = set()
    while left := [path for path in newest_first(folder) if path not in seen]:
        seen.add(left[0])
        try:
            return load(left[0], dataset=dataset)
        except CheckpointDamaged as damage:
            if left[0].exists():
                told.notice(f"{damage}; passed over")
    return None


def _best_checkpoint(folder: ResultsFolder, resume: Checkpoint | None) -> Path | None:
    best = resume.content["best"] if resume else None
    return None if best is None else checkpoint_path(folder.checkpoints, best["step"])


def _unforeseen(error: Exception, config: RunConfig, folder: ResultsFolder) -> str:
    reason = reason_of(error, config)
    if isinstance(error, OSError) and takes_nothing(error):
        return f"{reason}; {remedy_of(error, folder.root)}, then {GOES_ON}"
    return reason


def _failed(reason: str, *, told: MetricSink, summary: SummaryFile) -> _Failed:
    _note_failed(reason, told=told, summary=summary)
    return _Failed(reason)


def _note_failed(reason: str, *, told: MetricSink, summary: SummaryFile) -> None:
    # That a file cannot be written may be the very reason; the console is told first.
    with suppress(OSError):
        told.log(f"failed: {reason}")
    with suppress(OSError):
        summary.fail(reason)


def _farewell(outcome: Outcome, folder: ResultsFolder) -> str:
    if outcome.ending is Ending.COMPLETED:
        best = f", best val/top1 {outcome.best.top1:.2f} % at step {outcome.best.step}" if outcome.best else ""
        return f"completed in {outcome.elapsed_seconds:.0f} s{best}; results in {folder.root}"
    return f"paused after step {outcome.step}; the same command goes on from there"
