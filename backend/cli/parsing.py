"""argparse with errors that a person can use: one line, and what was probably meant."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator
from typing import Any, NoReturn

_UNKNOWN = "unrecognized arguments: "


class Parser(argparse.ArgumentParser):
    """Options have to be written out: a prefix that is unique today may mean another tomorrow."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        meant = ""
        if message.startswith(_UNKNOWN):
            wrong = message.removeprefix(_UNKNOWN).split()[0].partition("=")[0]
            near = difflib.get_close_matches(wrong, list(_options(self)), n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
        self.exit(2, f"{self.prog}: {message}{meant}\n`{self.prog} --help` lists the options.\n")


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Of the parser and of its verbs' parsers."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for choice in action.choices.values():
                yield from _options(choice)
