"""Trains the runs of a comparison, as many at once as there are slots, until all have ended or a signal comes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from worker.common.signals import Received, heeded
from worker.engine.compare.arms import Arm
from worker.engine.compare.running import End, RunningArm
from worker.engine.compare.screen import Screen
from worker.engine.compare.standing import line
from worker.engine.results import FolderRefused

POLL_SECONDS = 0.05


class Training:
    """`ended` is called whenever a run has; a signal pauses all, and who insists has them killed.

    `following` is asked for more runs when all have ended; it names none to end the training.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        slots: Sequence[Mapping[str, str]],
        *,
        screen: Screen,
        ended: Callable[[dict[str, End]], None],
        following: Callable[[dict[str, End]], Sequence[Arm]],
    ) -> None:
        self.ends: dict[str, End] = {}
        self.received = Received()
        self._waiting = list(arms)
        self._free = list(slots)
        self._running: list[RunningArm] = []
        self._screen = screen
        self._ended = ended
        self._following = following
        self._wide = max(len(arm.title) for arm in arms)
        self._is_pausing = False

    def run(self) -> None:
        with self._listening():
            try:
                while self._fill() or self._running or self._follow():
                    self._heed()
                    self._collect()
                    self._screen.show(lambda: [line(running.arm, wide=self._wide) for running in self._running])
                    time.sleep(POLL_SECONDS)
            finally:
                for running in self._running:
                    running.kill()

    @property
    def is_refused(self) -> bool:
        """The settings cannot be trained here, so no other run can either."""
        return any(end.status == "refused" for end in self.ends.values())

    def _fill(self) -> bool:
        """Starts what there is room for; says whether anything waits."""
        while self._waiting and self._free and self.received.first is None and not self.is_refused:
            self._start(self._waiting.pop(0))
        return bool(self._waiting) and self.received.first is None and not self.is_refused

    def _follow(self) -> bool:
        """After all have ended; says whether there are more."""
        if self.received.first is not None or self.is_refused:
            return False
        self._waiting += self._following(self.ends)
        return bool(self._waiting)

    def _start(self, arm: Arm) -> None:
        if arm.folder.has_completed():
            self._screen.say(f"{arm.title}: completed before")
            self._end(arm, End("completed"))
            return
        try:
            self._running.append(RunningArm(arm, self._free[0]))
        except FolderRefused as refusal:
            self._end(arm, End("failed", str(refusal)))
            return
        del self._free[0]
        self._screen.say(f"{arm.title}: training in {arm.folder.root}")

    def _collect(self) -> None:
        for running in list(self._running):
            end = running.ended()
            if end is not None:
                self._running.remove(running)
                self._free.append(running.environment)
                self._screen.say(": ".join(part for part in (running.arm.title, end.status, end.reason) if part))
                self._end(running.arm, end)

    def _end(self, arm: Arm, end: End) -> None:
        self.ends[arm.key] = end
        self._ended(self.ends)

    def _heed(self) -> None:
        if self.received.first is not None and not self._is_pausing:
            self._is_pausing = True
            self._screen.say("pausing: each run writes a checkpoint (again to quit without)")
            for running in self._running:
                running.pause()
        if self.received.insists:
            for running in self._running:
                running.kill()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._receive) for number in heeded()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.received.note(number, now=time.monotonic())
