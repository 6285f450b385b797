"""What comes out of a training process, turned into messages of its attempt."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Mapping
from typing import Any

from worker.contract.messages import Point
from worker.jobs.lines import LineReader
from worker.jobs.outbox import Outbox
from worker.jobs.process_group import ProcessGroup
from worker.jobs.retention import Retention
from worker.jobs.training_log import TrainingLog
from worker.jobs.wire import REPORT, Assignment, Damaged, Ended, Measured, Report, Tick, Told

#: Points that come closer together than this travel together.
_BATCH_SECONDS = 0.1
_BATCH_POINTS = 500
#: Weight and momentum; a moving average is known from the first checkpoint.
_BYTES_OF_A_PARAMETER = 8
_WAIT_SECONDS = 0.1
_WAIT_WITH_POINTS_SECONDS = 0.02
_LAST_CHECKPOINT_SECONDS = 2.0


class Reception:
    """Reads the two pipes of a trainer, never waiting long, and says what has to be said in its attempt's name."""

    def __init__(
        self,
        group: ProcessGroup,
        *,
        assignment: Assignment,
        outbox: Outbox,
        log: TrainingLog,
        checkpoint_bytes: int,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when the outbox has something new; `checkpoint_bytes` is what an earlier one took."""
        #: About what the next checkpoint takes on the disk.
        self.checkpoint_bytes = checkpoint_bytes
        #: The trainer's last word, once it is said.
        self.ended: Ended | None = None
        #: When it last reported anything.
        self.heard_at = time.monotonic()
        #: From which the next attempt would go on.
        self.checkpoint_step = next((ref.step for ref in assignment.spec.checkpoints), 0)
        self._assignment = assignment
        self._outbox = outbox
        self._log = log
        self._wake = wake
        self._reports = LineReader(group.messages)
        self._output = LineReader(group.output)
        self._retention = Retention(assignment.spec.checkpoints, newest=assignment.spec.config.keep_checkpoints)
        self._points: list[Point] = []
        self._points_said_at = 0.0

    def take_in(self) -> None:
        """What has come, or comes within a moment."""
        self._wait_for_news(_WAIT_WITH_POINTS_SECONDS if self._points else _WAIT_SECONDS)
        self._read()
        self._delete_old_checkpoints()

    def take_in_the_rest(self) -> None:
        """After the end of the group: all that still stands in the pipes."""
        while self._wait_for_news(0):
            self._read()
        self._say_points(at_once=True)
        self._say_log(at_once=True)
        self._wait_for_the_last_checkpoint()

    def _wait_for_the_last_checkpoint(self) -> None:
        """Until SQL has it, for what it replaces would else stay for good; not for long, if SQL is away."""
        end = time.monotonic() + _LAST_CHECKPOINT_SECONDS
        self._delete_old_checkpoints()
        while self._retention.waits() and not self._outbox.is_superseded and time.monotonic() < end:
            time.sleep(_WAIT_WITH_POINTS_SECONDS)
            self._delete_old_checkpoints()

    def _wait_for_news(self, seconds: float) -> bool:
        news = select.poll()
        for reader in (self._reports, self._output):
            if not reader.is_at_end:
                news.register(reader.descriptor, select.POLLIN)
        return bool(news.poll(seconds * 1000))

    def _read(self) -> None:
        for line in self._output.read():
            self._log.write(line)
        for line in self._reports.read():
            self._read_report(line)
        self._say_points()
        self._say_log()

    def _read_report(self, line: str) -> None:
        self.heard_at = time.monotonic()
        try:
            self._take_report(REPORT.validate_json(line))
        except ValueError as error:
            self._log.write(f"the trainer said what cannot be read: {line[:200]} ({error})")

    def _take_report(self, report: Report) -> None:
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
                self.ended = report

    def _pass_on(self, kind: str, body: Mapping[str, Any]) -> None:
        """Earlier points go first: a checkpoint is in SQL only after the metrics before it."""
        self._say_points(at_once=True)
        seq = self._say(kind, **body)
        if kind in ("started", "checkpoint"):
            self.checkpoint_step = body["step"]
        if kind == "started":
            least = int(body.get("parameters", 0)) * _BYTES_OF_A_PARAMETER
            self.checkpoint_bytes = max(self.checkpoint_bytes, least)
        if kind == "checkpoint":
            self.checkpoint_bytes = body["size_bytes"]
            self._retention.note_saved(body["path"], best=bool(body.get("best")), seq=seq)

    def _say(self, kind: str, **body: Any) -> int:
        seq = self._outbox.say(kind, **body)
        self._wake()
        return seq

    def _say_points(self, *, at_once: bool = False) -> None:
        """The first of several points goes at once, those that follow closely go together."""
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
