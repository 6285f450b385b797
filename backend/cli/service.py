"""Which service a command speaks to, and what it says when that refuses."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

from backend.client import BadAnswer, CannotConnect, Client, ClientError, Refused
from backend.process.errors import CommandError
from backend.process.home import Home


def add_service_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="address of the service (default: $RESDROP_URL, or what `up` runs on the home)")
    parser.add_argument("--home", metavar="DIR", help="which ResDrop (default: $RESDROP_HOME or ~/.resdrop)")
    parser.add_argument("--json", action="store_true", help="print the service's own answer")


@contextmanager
def connected(arguments: argparse.Namespace) -> Iterator[Client]:
    """A client of the service that was meant; what it refuses becomes a CommandError that names each field."""
    url, token, is_own = _address(arguments)
    try:
        with Client(url, token=token, is_own=is_own) as client:
            yield client
    except ClientError as error:
        raise CommandError(refusal(error)) from error


def _address(arguments: argparse.Namespace) -> tuple[str, str | None, bool]:
    """Where it answers, its token, and whether it runs on this machine."""
    given = arguments.url or os.environ.get("RESDROP_URL")
    token = os.environ.get("RESDROP_TOKEN")
    home = Home.chosen(arguments.home)
    if given:
        url = given if "://" in given else f"http://{given}"
        return url, token or home.token_for(url), False
    address = home.address()
    if address is None:
        raise CommandError(
            f"No ResDrop is running on {home.path}; start it with `resdrop up`, or name another's address with --url."
        )
    return address.url, token or home.token(), True


def refusal(error: ClientError) -> str:
    """One line for what was refused, and below it one for each field at fault."""
    if isinstance(error, CannotConnect):
        return f"{str(error)[:1].upper()}{str(error)[1:]}."
    if isinstance(error, BadAnswer):
        return f"{str(error)[:1].upper()}{str(error)[1:]}"
    if not isinstance(error, Refused):
        return f"{str(error)[:1].upper()}{str(error)[1:]}. Is ResDrop running? `resdrop status` tells."
    lines = [str(error)]
    for field, sentences in error.errors.items():
        lines += [f"  {field + ': ' if field else ''}{sentence}" for sentence in sentences]
    return "\n".join(lines)
