"""`python -m worker.jobs.trainer`: the process in which one attempt trains. Only its supervisor starts it."""

from __future__ import annotations

import faulthandler
import os
import sys
from typing import NoReturn

from worker.engine.threads import wait_politely
from worker.jobs.lifeline import Lifeline, die_with_parent


def main() -> NoReturn:
    die_with_parent()
    faulthandler.enable()
    lifeline = Lifeline()
    wait_politely()
    # Importing torch takes seconds; a supervisor that dies meanwhile has to be noticed.
    from worker.jobs.training import train_assignment

    lifeline.say(train_assignment(lifeline))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # All is said and synced. Taking torch down in order would keep the device for up to 3 s on a busy machine.
    os._exit(os.EX_OK)


if __name__ == "__main__":
    main()
