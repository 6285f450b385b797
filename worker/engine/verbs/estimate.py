"""`estimate`: time and memory that a training would take on this machine, with stochastic depth and without."""

from __future__ import annotations

import argparse
from pathlib import Path

from worker.contract.config import Depth, RunConfig
from worker.contract.datasets import DATASETS, DatasetName
from worker.contract.options import add_config_options
from worker.engine.leaving import leaving_at_once
from worker.engine.threads import wait_politely
from worker.engine.verbs.asking import add_preset_option, preset_settings, refusing, typed_settings

SECONDS = 10.0
#: Fills data_dir where the files are not here; nothing reads it.
NO_FILES = "/"


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "estimate",
        help="measure this machine, and say what a training would take",
        description="Measure real training steps of the configured network on this machine for some seconds, its "
        "loader apart where there are images, and say what the baseline and stochastic depth would take.",
        usage="%(prog)s [-h] [--seconds S] [--json FILE]\n    [--preset NAME] [--SETTING VALUE ...]",
        allow_abbrev=False,
    )
    parser.set_defaults(verb=_estimate)
    parser.add_argument(
        "--seconds", type=_seconds, default=SECONDS, metavar="S", help=f"how long to measure (default: {SECONDS:g})"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the estimate here as well")
    add_preset_option(parser)
    add_config_options(parser)


@refusing
def _estimate(arguments: argparse.Namespace) -> int:
    config, assumed = _asked(arguments)
    if assumed:
        print(f"{DATASETS[config.dataset].title}: no files are given, so {_known_number(config)} images are assumed")
    wait_politely()
    with leaving_at_once():
        from worker.engine.estimate.command import Question, run

    return run(
        Question(config=config, has_images=not assumed, seconds=arguments.seconds, json=arguments.json),
    )


def _asked(arguments: argparse.Namespace) -> tuple[RunConfig, bool]:
    """The configuration, and whether its images are not here. Raises ValidationError.

    A network for ImageNet that is asked for without any images is for ImageNet.
    """
    typed = typed_settings(arguments)
    settings = {**preset_settings(arguments.preset), **typed}
    if settings.keys().isdisjoint({"dataset", "data_dir"}) and _is_bottleneck(settings.get("depth")):
        settings["dataset"] = DatasetName.IMAGENET.value
    named = str(settings.get("dataset", DatasetName.DIGITS.value))
    facts = DATASETS[DatasetName(named)] if named in set(DatasetName) else None
    folder = settings.get("data_dir")
    assumed = (
        facts is not None
        and facts.train_images is not None
        and facts.needs_data_dir
        and typed.get("data_dir") is None
        and not (folder and Path(str(folder)).is_dir())
    )
    return RunConfig.model_validate(settings | ({"data_dir": NO_FILES} if assumed else {})), assumed


def _is_bottleneck(depth: object) -> bool:
    return str(depth) in {str(int(known)) for known in Depth if known.is_bottleneck}


def _known_number(config: RunConfig) -> str:
    return f"{DATASETS[config.dataset].train_images:,}"


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 3600.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0, up to 3600")
    return value
