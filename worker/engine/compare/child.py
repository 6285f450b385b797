"""`python -m worker.engine.compare.child PARENT train ...`: the engine's command line, paused when its parent dies."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

PR_SET_PDEATHSIG = 1
PARENT_GONE = 3


def main(argv: Sequence[str]) -> NoReturn:
    parent, *command = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        # It died before its death could be asked for.
        os._exit(PARENT_GONE)
    from worker.engine import __main__ as engine
    from worker.engine.signals import obey_parent_alone

    obey_parent_alone()
    engine.leave(engine.main(command))


if __name__ == "__main__":
    main(sys.argv[1:])
