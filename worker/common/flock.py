"""flock(2) without waiting or with it: a lock on an open file, which ends with its holder, however that dies."""

from __future__ import annotations

import errno
import fcntl

#: What filesystems without flock answer; EBADF for a folder on NFS, and EINVAL where no file can be locked.
NO_FLOCK = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF})


def flock(descriptor: int, *, wait: bool = False) -> bool:
    """False where another has it, unless it is to `wait`.

    Raises OSError, with a number of NO_FLOCK where the filesystem has no such locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
