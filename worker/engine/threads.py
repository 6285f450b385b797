"""How the threads of a training behave beside other work."""

from __future__ import annotations

import os

#: How many rounds an OpenMP thread spins at a barrier before it sleeps. With the default, 300,000, a spinning thread
#: keeps the processor from the one it waits for: on two cores that others used too, a step of ResNet-20 took 1.4-3.1 s
#: with the default and 0.4 s so; alone both took 0.07 s. To be set before torch is imported.
POLITE_WAITING = {"GOMP_SPINCOUNT": "3000"}


def wait_politely() -> None:
    """Lets this process's idle OpenMP threads sleep soon; a value that is set already stays."""
    for name, value in POLITE_WAITING.items():
        os.environ.setdefault(name, value)
