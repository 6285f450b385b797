"""One training run, from its configuration to its outcome."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

from worker.contract.config import RunConfig
from worker.contract.status import Desired
from worker.engine import execution
from worker.engine.checkpoint import Checkpoint
from worker.engine.company import company
from worker.engine.data.errors import DataUnreadable
from worker.engine.data.images import Dataset
from worker.engine.data.open import open_dataset
from worker.engine.evaluate import evaluate_epoch
from worker.engine.guesses import GuessMeter
from worker.engine.joining import losses_named
from worker.engine.outcome import Best, Ending, Interrupted, Outcome
from worker.engine.plan import Plan
from worker.engine.ports import Control, MetricSink
from worker.engine.progress import Clock
from worker.engine.ranks import Ranks
from worker.engine.reporter import Reporter
from worker.engine.resuming import changed_circumstances, check_resumable
from worker.engine.saver import Saver
from worker.engine.state import TrainingState
from worker.engine.step import accumulate, finish_step

_WISHES = tuple(Desired)


def train(
    config: RunConfig,
    *,
    sink: MetricSink,
    control: Control,
    checkpoints: Path,
    predictions: Path | None = None,
    resume: Checkpoint | None = None,
    dataset: Dataset | None = None,
    ranks: Ranks | None = None,
    lost: Callable[[str], None] | None = None,
) -> Outcome:
    """Trains to the end, or until `control` wants otherwise, and then leaves a checkpoint of that very moment.

    Checkpoints go into the folder `checkpoints`, which no other process writes to: after every evaluation, every
    `checkpoint_minutes` and at a pause or stop; none is deleted. What the trained network guesses of each validation
    image goes into the file `predictions`, where one is named. `dataset` is what `open_dataset(config)` gives, for a
    caller who wants its errors first. Sets torch's threads and determinism for the whole process. With several
    devices this process is the first rank and starts the others, which end with it, unless it is one of `ranks`.
    `lost` is told why another rank is gone, by default as a notice, where that has to end the whole process because
    this thread waits for a device.

    Raises DataError (its DataUnreadable after a checkpoint of where it was), DeviceUnavailable, CheckpointMismatch,
    TrainingDiverged, RankLost, CheckpointUnwritable (of the last one), and whatever `sink` raises.
    """
    dataset = dataset or open_dataset(config)
    if resume is not None:
        check_resumable(resume, config=config, dataset=dataset)
    own = (
        nullcontext(ranks)
        if ranks
        else company(config, resume=resume.path if resume else None, tell=lost or sink.notice)
    )
    if ranks is not None and ranks.watch is not None and lost is not None:
        ranks.watch.tell = lost
    with own as all_ranks, losses_named(all_ranks.watch):
        training = _prepared(
            config,
            dataset,
            all_ranks,
            sink=sink,
            control=control,
            folder=checkpoints,
            predictions=predictions,
            resume=resume,
        )
        return training.run()


def _prepared(
    config: RunConfig,
    dataset: Dataset,
    ranks: Ranks,
    *,
    sink: MetricSink,
    control: Control,
    folder: Path,
    predictions: Path | None,
    resume: Checkpoint | None,
) -> _Training:
    settled = execution.settle(config, recorded_threads=resume.threads if resume else None, ranks=ranks)
    plan = Plan(config, dataset, settled)
    state = TrainingState(config, num_classes=len(dataset.classes), execution=settled)
    if resume is not None:
        state.load_state_dict(resume.content)
        plan.damage.restore(resume.content.get("damaged", ()))
        plan.faint.restore(resume.content.get("faint", ()))
        for sentence in changed_circumstances(resume, settled):
            sink.notice(sentence)
    clock = Clock(already=resume.elapsed_seconds if resume else 0.0)
    reporter = Reporter(sink, plan=plan, state=state, clock=clock)
    saver = Saver(folder, sink, plan=plan, state=state, clock=clock, resumed_from=resume, predictions=predictions)
    return _Training(plan, state, reporter=reporter, saver=saver, control=control, clock=clock)


class _Training:
    def __init__(
        self, plan: Plan, state: TrainingState, *, reporter: Reporter, saver: Saver, control: Control, clock: Clock
    ) -> None:
        self._plan = plan
        self._state = state
        self._reporter = reporter
        self._saver = saver
        self._control = control
        self._clock = clock

    def run(self) -> Outcome:
        self._reporter.announce(evaluation_due=self._evaluation_is_due())
        try:
            self._train()
        except Interrupted as wish:
            self._save(is_last=True)
            return self._outcome(Ending.PAUSED if wish.desired is Desired.PAUSE else Ending.STOPPED)
        except DataUnreadable:
            # On every rank, at the same batch.
            self._save()
            raise
        return self._outcome(Ending.COMPLETED)

    def _train(self) -> None:
        plan, state = self._plan, self._state
        if self._evaluation_is_due():
            self._end_epoch()
        with closing(plan.training_batches(start=state.step, micro=state.micro)) as batches:
            for batch in batches:
                self._obey()
                accumulate(batch, plan=plan, state=state)
                if state.micro == plan.config.accumulation:
                    self._end_step()

    def _end_step(self) -> None:
        finish_step(plan=self._plan, state=self._state)
        self._reporter.after_step(images=self._plan.config.batch)
        if self._evaluation_is_due():
            self._end_epoch()
        elif self._saver.is_due():
            self._save()

    def _end_epoch(self) -> None:
        """Evaluates the epoch that ends at this step. Interrupted, it is due again when the training goes on."""
        plan, state = self._plan, self._state
        epochs = state.step // plan.steps_per_epoch
        is_last = state.step == plan.total_steps
        guesses = GuessMeter(plan.dataset, state.ranks) if is_last else None
        with self._reporter.standing_still():
            result = evaluate_epoch(epoch=epochs - 1, plan=plan, state=state, obey=self._obey, guesses=guesses)
            state.evaluated = epochs
            if state.best is None or result.top1 > state.best.top1:
                state.best = Best(top1=result.top1, step=state.step)
            self._reporter.after_evaluation(result)
            if guesses is not None:
                self._saver.keep_predictions(guesses)
        self._save(is_last=is_last)

    def _evaluation_is_due(self) -> bool:
        """After every `eval_every` epochs, and after the last."""
        plan, state = self._plan, self._state
        if state.micro or state.step % plan.steps_per_epoch:
            return False
        epochs = state.step // plan.steps_per_epoch
        return epochs > state.evaluated and (epochs % plan.config.eval_every == 0 or state.step == plan.total_steps)

    def _save(self, *, is_last: bool = False) -> None:
        """Whoever goes on from here does not see the same images again, so what is wrong with them is told before.

        A disk that takes no checkpoint ends the training only where there is none to follow.
        """
        with self._reporter.standing_still():
            self._reporter.tell_damage()
            if is_last:
                self._saver.save()
            else:
                self._saver.save_if_possible()

    def _obey(self) -> None:
        """The first rank's control decides for all, so that none goes on where another stands still."""
        desired = _WISHES[self._state.ranks.agree(_WISHES.index(self._control.desired()))]
        if desired is not Desired.RUN:
            raise Interrupted(desired)

    def _outcome(self, ending: Ending) -> Outcome:
        return Outcome(ending, self._state.step, self._clock.elapsed_seconds(), self._state.best)
