"""argparse with errors that a person can use: one line, and what was probably meant."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from worker.common.near_options import did_you_mean

_UNKNOWN = "unrecognized arguments: "


class Parser(argparse.ArgumentParser):
    """Options have to be written out: a prefix that is unique today may mean another tomorrow."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix(_UNKNOWN).split() if message.startswith(_UNKNOWN) else []
        meant = did_you_mean(self, unknown)
        self.exit(2, f"{self.prog}: {message}{meant}\n`{self.prog} --help` lists the options.\n")
