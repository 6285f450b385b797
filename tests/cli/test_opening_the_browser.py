"""The browser that `up` opens, and what everybody on the machine can read of it in `ps`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.request import url2pathname

import httpx
import psutil
import pytest

from tests.cli.running import RunningUp

Up = Callable[..., RunningUp]
RUNS = "/api/v1/runs"


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[RunningUp], str]:
    """The arguments that the browser was started with."""

    def arguments(running: RunningUp) -> str:
        file = tmp_path / "arguments"
        running.wait_until(lambda: file.exists() and file.read_text().endswith("\n"), 120, what="the browser")
        return file.read_text().strip()

    return arguments


@pytest.fixture
def browser(tmp_path: Path) -> dict[str, str]:
    """An environment in which a program that notes its arguments is the browser."""
    program = tmp_path / "browser"
    program.write_text(f"#!/bin/sh\necho \"$@\" >> '{tmp_path / 'arguments'}'\n")
    program.chmod(0o755)
    return {"BROWSER": f"{program} %s", "DISPLAY": ":7", "WITH_REAL_API": "1"}


def test_the_owners_browser_is_given_the_bare_address(
    up: Up, opened: Callable[[RunningUp], str], browser: dict[str, str]
) -> None:
    running = up(no_browser=False, **browser)
    assert opened(running) == running.url
    assert httpx.get(running.url).status_code == 200
    assert (running.home / "token").read_text().strip() not in running.output


def test_where_the_kernel_is_not_asked_it_is_given_a_private_file_that_lets_in_once(
    up: Up, opened: Callable[[RunningUp], str], browser: dict[str, str]
) -> None:
    running = up(no_browser=False, RESDROP_ASK_OWNER="1", **browser)
    address = opened(running)
    assert address.startswith("file:///")
    file = Path(url2pathname(address.removeprefix("file://")))
    assert file == running.home / "open.html"
    assert file.stat().st_mode & 0o777 == 0o600
    found = re.search(r'<a href="([^"]+)"', file.read_text())
    assert found
    with httpx.Client(base_url=running.url) as first, httpx.Client() as second:
        assert first.get(RUNS).status_code == 401
        assert first.get(found[1]).status_code == 303
        assert first.get(RUNS).status_code == 200
        assert second.get(found[1]).status_code == 401


def test_without_a_display_the_link_is_printed_to_the_terminal(up: Up) -> None:
    running = up(no_browser=False, WITH_REAL_API="1", RESDROP_ASK_OWNER="1", DISPLAY="", WAYLAND_DISPLAY="")
    running.wait_for("there is no display here to open a browser on; visit", seconds=120)
    found = re.search(r"visit (\S+)", running.output)
    assert found
    assert httpx.get(found[1]).status_code == 303


def test_no_process_shows_a_secret_in_its_arguments(up: Up, tmp_path: Path) -> None:
    """Redis has a password where the path of the home is too long for a socket."""
    running = up(home=tmp_path / ("deep" * 25), WITH_REAL_API="1")
    running.wait_for("ResDrop is ready", seconds=120)
    secrets = [(running.home / name).read_text().strip() for name in ("token", "redis/password")]
    supervisor = running.supervisor()
    family = [psutil.Process(running.process.pid), supervisor, *supervisor.children(recursive=True)]
    assert len(family) >= 6
    for process in family:
        assert not [secret for secret in secrets if secret in " ".join(process.cmdline())], process
    for log in (running.home / "logs").iterdir():
        assert not [secret for secret in secrets if secret in log.read_text()], log
