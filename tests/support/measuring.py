"""How long a fault takes, for docs/reliability.md: `./resdrop test tests/faults -s`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Prints how long it took."""
    began = time.monotonic()
    yield
    print(f"\nmeasured: {what}: {time.monotonic() - began:.1f} s")
