"""Runs a command for which the kernel refuses some system calls, as a filesystem without locks or links does.

`python -m tests.support.refusing flock=ENOLCK,linkat=EPERM -- COMMAND...`: by a filter of seccomp(2), which needs no
rights and which every process that the command starts inherits. What is refused is refused for every file.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

#: Numbers of system calls, by machine. glibc's link and symlink may be either of two.
NUMBERS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "x86_64": {"flock": (73,), "link": (86, 265), "symlink": (88, 266)},
    "aarch64": {"flock": (32,), "link": (37,), "symlink": (36,)},
}
NO_FLOCK, NO_LINKS = {"flock": "ENOLCK"}, {"link": "EPERM", "symlink": "EPERM"}

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
#: Of classic BPF: load a word, jump if equal, return.
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL_WITH = 0x7FFF0000, 0x00050000


def is_possible() -> bool:
    return sys.platform == "linux" and platform.machine() in NUMBERS


def refusing(calls: Mapping[str, str], command: Sequence[str]) -> list[str]:
    """`command` with these calls refused; `calls` has the error's name of each."""
    listed = ",".join(f"{name}={error}" for name, error in calls.items())
    return [sys.executable, "-m", "tests.support.refusing", listed, "--", *command]


def main(arguments: Sequence[str]) -> NoReturn:
    listed, _, *command = arguments
    calls = dict(part.split("=") for part in listed.split(","))
    _refuse({number: getattr(errno, error) for name, error in calls.items() for number in _numbers(name)})
    os.execvp(command[0], command)


def _numbers(name: str) -> tuple[int, ...]:
    return NUMBERS[platform.machine()][name]


def _refuse(errors: Mapping[int, int]) -> None:
    steps = [(_LOAD, 0, 0, 0)]
    for number, error in errors.items():
        steps += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _FAIL_WITH | error)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    described = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    for order in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _MODE_FILTER, described, 0, 0)):
        if libc.prctl(*order) != 0:
            raise OSError(ctypes.get_errno(), "the filter was not taken")


if __name__ == "__main__":
    main(sys.argv[1:])
