"""`resdrop bench <name>`: figures of this machine, measured beside those of other systems in one run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

BENCHMARKS = {
    "sd": "a training step with stochastic depth against one without, beside torchvision's and timm's masks",
    "loader": "images a second against torchvision's reference and timm, with the same number of processes",
    "resume": "seconds to the first resumed step, at the beginning of an epoch and deep in it",
    "overhead": "what reporting to the dashboard costs a step",
    "gpu": "images a second, memory and share of the matrix rate of a GPU",
    "metrics": "milliseconds to read the curves of a long run, and the memory that leaves",
    "evidence": "how often simulated studies are decided, falsely and rightly",
    "startup": "seconds until `resdrop up` answers with its page",
    "page_load": "requests, bytes and time that a page costs to open, first and again",
    "paint_latency": "milliseconds from a point's measurement to its paint in the browser",
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="resdrop bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="benchmarks (resdrop bench NAME --help tells more):\n"
        + "\n".join(f"  {name:16}{what}" for name, what in BENCHMARKS.items()),
    )
    parser.add_argument("name", nargs="?", choices=list(BENCHMARKS), metavar="NAME", help="which benchmark")
    name = parser.parse_args(arguments[:1]).name
    if name is None:
        parser.print_help()
        return 0
    benchmark = import_module(f"tests.benchmarks.{name}")
    return int(benchmark.main(arguments[1:]))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
