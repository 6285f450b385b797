"""`python -m worker.engine.rank`: one of the ranks that the first one starts. Its order comes on standard input."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import NoReturn

from worker.contract.config import RunConfig
from worker.engine.signals import leave_signals_to_another
from worker.engine.threads import wait_politely

LOST_PARENT = 3


def main() -> NoReturn:
    order = json.loads(sys.stdin.readline())
    leave_signals_to_another()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    wait_politely()
    try:
        _train(order)
    except Exception as error:  # noqa: BLE001  the edge of the process: its last words are the parent's reason
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(1)
    os._exit(0)


def _train(order: dict[str, object]) -> None:
    from worker.engine.checkpoint import load
    from worker.engine.company import firsts_company
    from worker.engine.ports import NullControl, NullSink
    from worker.engine.trainer import train

    config = RunConfig.model_validate(order["config"])
    resume = order["resume"]
    with firsts_company(config, rank=int(str(order["rank"])), meeting=Path(str(order["meeting"]))) as ranks:
        train(
            config,
            sink=NullSink(),
            control=NullControl(),
            checkpoints=Path(os.devnull),
            resume=load(Path(str(resume))) if resume else None,
            ranks=ranks,
        )


def _end_with_parent() -> None:
    """Its end of the pipe closes with it, however it dies, without the word that all is done.

    Read past Python's own buffer, whose lock this thread would hold for ever: a loader process that is forked from here
    closes its standard input first, and would wait for that lock.
    """
    if not os.read(0, 1):
        os._exit(LOST_PARENT)


if __name__ == "__main__":
    main()
