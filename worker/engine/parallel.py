"""Work on many files in several processes, which end with this one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: So many pieces wait for each process; more would only hold memory.
WAITING = 4


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item], *, workers: int) -> Iterator[Result]:
    """The results in the order in which they come. `work` is a function of a module, for it is sent by name.

    One worker is this process itself. Ending early lets the pieces that are begun in others be finished. Raises what
    `work` raises, and BrokenExecutor where a process was ended from outside.
    """
    if workers == 1:
        yield from map(work, items)
        return
    executor = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_follow_parent)
    try:
        left = iter(items)
        pending: set[Future[Result]] = {executor.submit(work, item) for item in islice(left, WAITING * workers)}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            pending |= {executor.submit(work, item) for item in islice(left, len(done))}
            for future in done:
                yield future.result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _follow_parent() -> None:
    """Ctrl-C is the parent's; when that is gone, however it ended, so is this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
