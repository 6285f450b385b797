"""Descriptors that forked processes must not keep: a lock or a connection is to end with the process that has it.

A loader of images, forked by torch, lives some seconds longer than a training that was killed.
"""

from __future__ import annotations

import os

_OWN: set[int] = set()


def keep_from_forks(descriptor: int) -> None:
    """Until `forget`, which is to come before it is closed."""
    _OWN.add(descriptor)


def forget(descriptor: int) -> None:
    _OWN.discard(descriptor)


def _let_go() -> None:
    """By another file in its place, lest the number be given to a file that then is closed by whoever knew the old."""
    if not _OWN:
        return
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in _OWN:
        os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
    _OWN.clear()


os.register_at_fork(after_in_child=_let_go)
