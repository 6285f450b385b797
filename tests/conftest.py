from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser

from tests.support.browser import chromium

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# The tests speak to this machine alone, whatever proxies and certificates the tester's shell names.
for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)

# A shell that starts the tests in the background has Ctrl-C ignored, and nohup the closed terminal, which the processes
# under test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests: playwright's sync interface runs once in a process."""
    with chromium() as started:
        yield started


#: Tests that wait for processes more than they compute; begun last they would be waited for at the end, alone.
_LONG = ("e2e", "launcher", "faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(tests).parts[0] not in _LONG)
