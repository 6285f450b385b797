"""`python -m worker.jobs.trainer`: the process in which one attempt trains. Only its supervisor starts it."""

from __future__ import annotations

import faulthandler
import os
import sys
from typing import NoReturn

from worker.engine.threads import wait_politely
from worker.jobs.lifeline import Lifeline, die_with_parent

_LOST_A_RANK = 1


def main() -> NoReturn:
    die_with_parent()
    faulthandler.enable()
    lifeline = Lifeline()
    lifeline.heed_signals()
    wait_politely()
    # Importing torch takes seconds; a supervisor that dies meanwhile has to be noticed.
    from worker.jobs.training import train_assignment

    ended = train_assignment(lifeline)
    if ended is not None:
        lifeline.say(ended)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # All is said and synced. Taking torch down in order would keep the device for up to 3 s on a busy machine, and wait
    # for ever for a rank that is lost.
    os._exit(os.EX_OK if ended is not None else _LOST_A_RANK)


if __name__ == "__main__":
    main()
