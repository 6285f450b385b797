"""Which options somebody meant who mistyped them on a command line."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Iterator


def did_you_mean(parser: argparse.ArgumentParser, unknown: Iterable[str]) -> str:
    """As "; did you mean --epochs?", for what of `unknown` looks like an option; empty where nothing is near."""
    known = {option.lower(): option for option in _options(parser)}
    typed = [text.partition("=")[0].lower() for text in unknown if text.startswith("-")]
    near = [known[found] for text in typed for found in difflib.get_close_matches(text, known, n=1)]
    return f"; did you mean {' and '.join(dict.fromkeys(near))}?" if near else ""


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Of the parser and of its verbs' parsers."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for choice in action.choices.values():
                yield from _options(choice)
