"""`python -m worker.jobs.trainer`: the process in which one attempt trains. Only its supervisor starts it."""

from __future__ import annotations

import faulthandler
import sys

from worker.jobs.lifeline import Lifeline, die_with_parent


def main() -> int:
    die_with_parent()
    faulthandler.enable()
    lifeline = Lifeline()
    # Importing torch takes seconds; a supervisor that dies meanwhile has to be noticed.
    from worker.jobs.training import train_assignment

    lifeline.say(train_assignment(lifeline))
    return 0


if __name__ == "__main__":
    sys.exit(main())
