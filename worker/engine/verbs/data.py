"""`data`: ImageNet from its archives, and a look at every image of a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from worker.common.cores import usable_cores
from worker.contract.datasets import CLASS_FOLDERS, DatasetName
from worker.engine.leaving import leaving_at_once

#: More than that and one disk is the limit.
USUAL_WORKERS = 16
MOST_WORKERS = 256


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "data",
        help="prepare ImageNet from its archives; look at every image of a folder",
        description="Prepare a dataset, or look for what is wrong with one.",
        allow_abbrev=False,
    )
    tasks = parser.add_subparsers(title="tasks", metavar="<task>", required=True)
    _add_prepare(tasks)
    _add_verify(tasks)


def _add_prepare(tasks: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = tasks.add_parser(
        "prepare",
        help="class folders from the official archives",
        description="From the three official archives of ImageNet (ILSVRC 2012) to class folders: checked, in "
        "parallel, and proved complete. The same command goes on after an interruption.",
        allow_abbrev=False,
    )
    parser.set_defaults(verb=_prepare)
    parser.add_argument("dataset", choices=["imagenet"], help="which dataset")
    parser.add_argument("--archives", type=Path, required=True, metavar="DIR", help="where the archives are")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where train/ and val/ shall be")
    _add_workers(parser)
    parser.add_argument(
        "--no-sums", "--no_sums", action="store_true", help="do not check the archives' MD5 sums, which takes minutes"
    )


def _add_verify(tasks: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = tasks.add_parser(
        "verify",
        help="what is wrong or odd with the images of a folder",
        description="Read and decode every image as a training does, and tell counts, classes, and which files are "
        "unreadable, CMYK, not what their name says, tiny or equal. Ends with 1 where images cannot be read or counts "
        "are wrong.",
        allow_abbrev=False,
    )
    parser.set_defaults(verb=_verify)
    parser.add_argument("data_dir", metavar="DIR", help="the folder with train/ and val/")
    parser.add_argument(
        "--dataset",
        type=DatasetName,
        choices=sorted(CLASS_FOLDERS),
        help="what it should be (default: known by its classes)",
    )
    _add_workers(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found here")


def _add_workers(parser: argparse.ArgumentParser) -> None:
    usual = min(USUAL_WORKERS, usable_cores())
    parser.add_argument("--workers", type=_processes, default=usual, help="processes (default: %(default)s)")


def _processes(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes; give 1 to {MOST_WORKERS}")
    return int(text)


def _prepare(arguments: argparse.Namespace) -> int:
    with leaving_at_once():
        from worker.engine.prepare.command import Order, run
        from worker.engine.prepare.release import ILSVRC2012

    sums = not arguments.no_sums
    return run(Order(ILSVRC2012, arguments.archives, arguments.out, workers=arguments.workers, sums=sums))


def _verify(arguments: argparse.Namespace) -> int:
    with leaving_at_once():
        from worker.engine.verify.command import run

    return run(arguments.data_dir, workers=arguments.workers, dataset=arguments.dataset, json_file=arguments.json)
