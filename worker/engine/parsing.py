"""argparse with what was probably meant where an option is unknown, beside the usage of the verb that was typed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from worker.common.near_options import did_you_mean


class Parser(argparse.ArgumentParser):
    """Its verbs' parsers are of this class too.

    Options have to be written out: a prefix that is unique today may mean another tomorrow.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})
        # A verb's parser overwrites what the one above it says.
        self.set_defaults(verbs_parser=self)

    def parsed(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """As `parse_args`, which would blame what a verb does not know on the parser above all verbs."""
        arguments, unknown = self.parse_known_args(argv)
        if unknown:
            verb: Parser = arguments.verbs_parser
            verb.error(f"unrecognized arguments: {' '.join(unknown)}{did_you_mean(verb, unknown)}")
        return arguments
