"""One attempt's training process, watched from its start until nothing of it is left."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import worker
from worker.contract.messages import Point
from worker.contract.status import Desired
from worker.jobs.devices import Slot
from worker.jobs.ending import LastWord, Observed, last_word
from worker.jobs.lines import LineReader
from worker.jobs.outbox import Outbox
from worker.jobs.process_group import ProcessGroup
from worker.jobs.retention import Retention
from worker.jobs.settings import Settings
from worker.jobs.training_log import TrainingLog
from worker.jobs.wire import REPORT, Assignment, Damaged, Ended, Measured, Order, Tick, Told

_LOOK_SECONDS = 0.1
#: Points that come closer together than this travel together.
_BATCH_SECONDS = 0.1
_BATCH_POINTS = 500
#: What a trainer may take to end after its last word.
_EXIT_SECONDS = 10.0
#: The trainer needs neither the database nor Redis, nor what opens them.
_PACKAGES = str(Path(worker.__file__).resolve().parents[1])
_SECRETS = ("RESDROP_DATABASE_URL", "RESDROP_REDIS_URL", "RESDROP_TOKEN")


class Supervisor:
    """Speaks for a trainer: numbers, spools and passes on what it reports, and tells it what is wanted."""

    def __init__(
        self,
        group: ProcessGroup,
        *,
        assignment: Assignment,
        outbox: Outbox,
        log: TrainingLog,
        settings: Settings,
        wake: Callable[[], None],
        is_closing: Callable[[], bool],
    ) -> None:
        """`wake` is called when the outbox has something new; `is_closing` asks whether the worker shuts down."""
        self._group = group
        self._assignment = assignment
        self._outbox = outbox
        self._log = log
        self._settings = settings
        self._wake = wake
        self._is_closing = is_closing
        self._reports = LineReader(group.messages)
        self._output = LineReader(group.output)
        self._retention = Retention(assignment.spec.checkpoints)
        self._points: list[Point] = []
        self._points_said_at = 0.0
        self._checkpoint_step = next((ref.step for ref in assignment.spec.checkpoints), 0)
        self._ended: Ended | None = None
        self._order: Order | None = None
        self._ordered_at = self._ended_at = self._moved_at = time.monotonic()
        self._overstayed = self._stalled = False

    def watch(self) -> LastWord | None:
        """Returns when no process of the group is left: what is to be said last, None where nothing may be said."""
        self._group.tell(self._assignment.model_dump_json())
        while not self._is_over():
            self._wait_for_news()
            self._take_in()
            self._tell_what_is_wanted()
            self._delete_old_checkpoints()
        status = self._group.exit_status()
        self._group.end()
        self._take_in_the_rest()
        return None if self._outbox.is_superseded else last_word(self._observed(status))

    def _is_over(self) -> bool:
        now = time.monotonic()
        if self._group.exit_status() is not None or self._outbox.is_superseded:
            return True
        if self._ended is not None:
            return now - self._ended_at > _EXIT_SECONDS
        self._overstayed = self._order is not None and now - self._ordered_at > self._settings.grace_seconds
        self._stalled = now - self._moved_at > self._settings.stall_seconds
        return self._overstayed or self._stalled

    def _wait_for_news(self) -> None:
        news = select.poll()
        for reader in (self._reports, self._output):
            if not reader.is_at_end:
                news.register(reader.descriptor, select.POLLIN)
        news.poll(_LOOK_SECONDS * 1000)

    def _desired(self) -> Desired:
        key = self._outbox.key
        return key.desired if key is not None and key.attempt == self._outbox.header.attempt else Desired.RUN

    def _tell_what_is_wanted(self) -> None:
        """An order is given once; stopping may still follow on pausing."""
        desired = self._desired()
        wanted = Order.STOP if desired is Desired.STOP else Order.PAUSE
        if (desired is Desired.RUN and not self._is_closing()) or self._order in (wanted, Order.STOP):
            return
        if self._order is None:
            self._ordered_at = time.monotonic()
        self._order = wanted
        self._group.tell(wanted.value)

    def _take_in(self) -> None:
        for line in self._output.read():
            self._log.write(line)
        for line in self._reports.read():
            self._take_report(line)
        self._say_points()
        self._say_log()

    def _take_in_the_rest(self) -> None:
        """After the end of the group: all that still stands in the pipes."""
        while not (self._reports.is_at_end and self._output.is_at_end):
            self._take_in()
        self._say_points(at_once=True)
        self._say_log(at_once=True)

    def _take_report(self, line: str) -> None:
        self._moved_at = time.monotonic()
        try:
            report = REPORT.validate_json(line)
            match report:
                case Tick():
                    pass
                case Measured(point=point):
                    self._points.append(point)
                case Told(message=kind, body=body):
                    self._pass_on(kind, body)
                case Damaged(path=path, reason=reason):
                    self._retention.note_damaged(path)
                    self._say("notice", text=reason)
                case Ended():
                    self._ended, self._ended_at = report, time.monotonic()
        except ValueError as error:
            self._log.write(f"the trainer said what cannot be read: {line[:200]} ({error})")

    def _pass_on(self, kind: str, body: Mapping[str, Any]) -> None:
        """Earlier points go first: a checkpoint is in SQL only after the metrics before it."""
        self._say_points(at_once=True)
        seq = self._say(kind, **body)
        if kind in ("started", "checkpoint"):
            self._checkpoint_step = body["step"]
        if kind == "checkpoint":
            self._retention.note_saved(body["path"], best=bool(body.get("best")), seq=seq)

    def _say(self, kind: str, **body: Any) -> int:
        seq = self._outbox.say(kind, **body)
        self._wake()
        return seq

    def _say_points(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        is_due = at_once or now - self._points_said_at >= _BATCH_SECONDS or len(self._points) >= _BATCH_POINTS
        if self._points and is_due:
            self._say("metrics", points=self._points)
            self._points, self._points_said_at = [], now

    def _say_log(self, *, at_once: bool = False) -> None:
        lines = self._log.take_portion(at_once=at_once)
        if lines:
            self._say("log", lines=lines)

    def _delete_old_checkpoints(self) -> None:
        for path in self._retention.take_surplus(acknowledged_through=self._outbox.acknowledged_through):
            try:
                self._assignment.checkpoint_file(path).unlink(missing_ok=True)
                self._say("checkpoint_removed", root_id=self._assignment.root_id, path=path)
            except (OSError, ValueError) as error:
                self._log.write(f"an old checkpoint was not deleted: {error}")

    def _observed(self, status: int | None) -> Observed:
        return Observed(
            desired=self._desired(),
            ended=self._ended,
            exit_status=status if status is not None else -9,
            checkpoint_step=self._checkpoint_step,
            worker_closes=self._is_closing(),
            overstayed=self._overstayed,
            stalled_seconds=self._settings.stall_seconds if self._stalled else None,
            log_tail=tuple(self._log.tail()),
        )


def trainer_environment(
    slots: Sequence[Slot], *, threads: int, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """What the trainer's process finds: our packages, its GPUs only, its share of the CPUs, and no secrets."""
    kept = {name: value for name, value in environment.items() if name not in _SECRETS}
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, [_PACKAGES, environment.get("PYTHONPATH")])),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": ",".join(slot.visible for slot in slots if slot.is_gpu),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONUNBUFFERED": "1",
    }
