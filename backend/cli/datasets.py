"""`resdrop datasets`: what can be trained on, and names for folders of images, through the REST interface."""

from __future__ import annotations

import argparse

from backend.cli.service import add_service_options, connected
from backend.cli.terminal import complain, say, say_json, say_table
from backend.client import Client, Json, Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    found = verbs.add_parser("list", help="the built-in datasets, then the registered folders")
    add_service_options(found)
    found.set_defaults(carry_out=_list)
    add = verbs.add_parser(
        "add",
        help="give a folder a name",
        description="Give a folder of images a name, under which the form offers it.",
    )
    add_service_options(add)
    add.add_argument("name", help="lower case letters, digits and hyphens")
    add.add_argument("--dataset", required=True, metavar="KIND", help="what the folder is: imagefolder, cifar10, ...")
    add.add_argument("--data_dir", "--data-dir", required=True, metavar="DIR", help="its path on the training machines")
    add.add_argument("--title", help="how it is called in lists (default: its name)")
    add.set_defaults(carry_out=_add)
    remove = verbs.add_parser(
        "remove", help="remove names; folders and runs stay", description="Remove names; folders and runs stay."
    )
    add_service_options(remove)
    remove.add_argument("names", nargs="+", metavar="name")
    remove.set_defaults(carry_out=_remove)


def run(arguments: argparse.Namespace) -> int:
    with connected(arguments) as client:
        return int(arguments.carry_out(client, arguments))


def _list(client: Client, arguments: argparse.Namespace) -> int:
    found = client.datasets()
    if arguments.json:
        say_json(found)
    else:
        say_table(("NAME", "TITLE", "KIND", "CLASSES", "FOLDER"), map(_row, found))
    return 0


def _row(item: Json) -> tuple[str, ...]:
    folder = item["data_dir"] or ("named by the run" if item["needs_data_dir"] else "none needed")
    return item["name"], item["title"], item["dataset"], str(item["classes"] or "-"), folder


def _add(client: Client, arguments: argparse.Namespace) -> int:
    made = client.register_dataset(
        arguments.name, dataset=arguments.dataset, data_dir=arguments.data_dir, title=arguments.title
    )
    say_json(made) if arguments.json else say(f"{made['name']} is {made['dataset']} in {made['data_dir']}")
    return 0


def _remove(client: Client, arguments: argparse.Namespace) -> int:
    """One refusal keeps none of the others from being removed and told."""
    refused = 0
    for name in arguments.names:
        try:
            client.remove_dataset(name)
            say(f"{name} is removed; its folder stays as it is")
        except Refused as error:
            refused += 1
            complain(f"{name}: {error}")
    return 1 if refused else 0
