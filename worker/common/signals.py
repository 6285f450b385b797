"""The signals by which people, terminals and schedulers end a process or warn it of its end. All of them ask to pause.

Slurm sends SIGTERM and what `--signal` names, as a rule SIGUSR1 or SIGUSR2; LSF SIGUSR2 at the run limit, SIGINT and
then SIGTERM before it kills, and what `-wa` names, SIGURG in its manual; Grid Engine SIGUSR1 and SIGUSR2 with
`-notify`; Kubernetes, PBS and systemd SIGTERM; the kernel SIGXCPU, every second, once the limit of CPU time is reached;
a terminal that is closed SIGHUP, twice if its shell hands it on.
"""

from __future__ import annotations

import signal

#: Sent a second time, one of them insists. One after the other does not: so does LSF before it kills.
ENDING = (signal.SIGINT, signal.SIGTERM)
WARNING = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGURG)
#: timeout(1), terminals and process managers may tell of one end twice.
SAME_SIGNAL_SECONDS = 0.5


def heeded() -> list[signal.Signals]:
    """All of them but for warnings that this process was started to ignore, as by nohup."""
    return [*ENDING, *(number for number in WARNING if signal.getsignal(number) is not signal.SIG_IGN)]


class Received:
    """Signals that came. `first` is what the process ends by; `insists` says that it is to end at once."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.insists = False
        self._first_at: dict[int, float] = {}

    def note(self, number: int, *, now: float) -> None:
        if self.first is None:
            self.first = number
        since = now - self._first_at.setdefault(number, now)
        if number in ENDING and since > SAME_SIGNAL_SECONDS:
            self.insists = True
