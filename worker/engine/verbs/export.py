"""`export`: a checkpoint's network as ONNX or torch.export, or its weights as safetensors."""

from __future__ import annotations

import argparse
from pathlib import Path

from worker.engine.leaving import leaving_at_once
from worker.engine.threads import wait_politely
from worker.engine.verbs.asking import refusing
from worker.engine.verbs.restoring import add_source_options, changes_of, source_of

TOLERANCE = 1e-4


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "export",
        help="write a checkpoint's network as ONNX, torch.export or safetensors",
        description="Write a checkpoint's network in evaluation mode, branches scaled as they are evaluated, and check "
        "the file's outputs against the original's on random and on real images. safetensors holds the weights alone, "
        "with the survival probabilities multiplied in and timm's names for depth 50, 101 and 152.",
        allow_abbrev=False,
    )
    parser.set_defaults(verb=_export)
    add_source_options(parser)
    parser.add_argument(
        "--format", choices=("onnx", "torch_export", "safetensors"), required=True, help="what to write"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="ends with .onnx, .pt2 or .safetensors")
    parser.add_argument(
        "--batch", type=_batch, default=None, metavar="dynamic|N", help="images at once (default: dynamic, any number)"
    )
    parser.add_argument(
        *("--normalise", "--normalize"),
        action="store_true",
        help="take uint8 images and normalise them inside; without it the input is normalised already",
    )
    parser.add_argument(
        *("--running_stats", "--running-stats"),
        action="store_true",
        help="keep the running batch-norm statistics, where the run's evaluation takes them again (bn_reestimate)",
    )
    parser.add_argument(
        "--tolerance",
        type=_tolerance,
        default=TOLERANCE,
        metavar="X",
        help=f"largest difference allowed, as a share of the largest output (default: {TOLERANCE:g})",
    )


@refusing
def _export(arguments: argparse.Namespace) -> int:
    wait_politely()
    with leaving_at_once():
        from worker.engine.export.command import Wish, run

    wish = Wish(
        format=arguments.format,
        out=arguments.out,
        batch=arguments.batch,
        normalise=arguments.normalise,
        running_stats=arguments.running_stats,
        tolerance=arguments.tolerance,
    )
    return run(source_of(arguments), changes_of(arguments), wish)


def _batch(text: str) -> int | None:
    if text == "dynamic":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither dynamic nor a whole number from 1 on")
    return int(text)


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to below 1")
    return value
