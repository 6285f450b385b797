"""A machine with several accounts: `up` is its owner's, and nobody else's without the token."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from backend.client import Client
from backend.process.home import Home
from tests.cli.running import REPOSITORY, STAND_IN, RunningUp, command_line, environment
from tests.support.accounts import SOMEBODY, SOMEBODY_ELSE, command_as, get, needs_superuser, status

Up = Callable[..., RunningUp]
RUNS = "/api/v1/runs"


def port_of(url: str) -> int:
    found = re.search(r":(\d+)", url.removeprefix("http://"))
    assert found
    return int(found[1])


@needs_superuser
def test_another_account_gets_nothing_without_the_token(up: Up) -> None:
    running = up(WITH_REAL_API="1")
    running.wait_for("ResDrop is ready", seconds=120)
    port = port_of(running.url)
    for path in ("/", RUNS, "/static/js/main.js", "/api/v1/openapi.json"):
        assert status(get(port, path)) == 200, path
        assert status(get(port, path, uid=SOMEBODY)) == 401, path
    assert status(get(port, "/api/v1/live", uid=SOMEBODY)) == 401
    for method, path in (("POST", RUNS), ("DELETE", f"{RUNS}/r_x"), ("POST", f"{RUNS}/r_x/stop")):
        assert status(get(port, path, method=method, uid=SOMEBODY)) == 401
    token = (running.home / "token").read_text().strip()
    assert status(get(port, RUNS, f"Authorization: Bearer {token}", uid=SOMEBODY)) == 200


@needs_superuser
def test_the_account_that_runs_it_types_nothing_and_the_superuser_reads_the_token() -> None:
    """Here the service is another account's, and this test's own account a stranger to it."""
    with home_of(SOMEBODY) as home:
        prefix = command_as(SOMEBODY, home)
        with started_as(prefix, home) as url:
            port = port_of(url)
            assert status(get(port, RUNS, uid=SOMEBODY)) == 200
            assert status(get(port, RUNS, uid=SOMEBODY_ELSE)) == 401
            assert status(get(port, RUNS)) == 401
            listed = [sys.executable, "-m", "backend.cli", "runs", "list", "--json"]
            at_home = environment(RESDROP_HOME=str(home / "home"), HOME=str(home))
            for before in (prefix, []):  # the account itself, and the superuser, who reads the token
                told = subprocess.run([*before, *listed], capture_output=True, text=True, env=at_home, check=False)
                assert (told.returncode, told.stdout) == (0, "[]\n"), told.stderr
            other = subprocess.run(
                [*command_as(SOMEBODY_ELSE, home), *listed, "--url", url], capture_output=True, text=True,
                env=environment(HOME="/nowhere"), check=False,
            )  # fmt: skip
            assert other.returncode == 1
            assert f"Account {SOMEBODY_ELSE} of this machine does not run this service" in other.stderr


@contextmanager
def home_of(uid: int) -> Iterator[Path]:
    """Not below pytest's own folder, into which only its account can look."""
    folder = Path(tempfile.mkdtemp(prefix="resdrop-account-"))
    os.chown(folder, uid, uid)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def started_as(prefix: list[str], folder: Path) -> Iterator[str]:
    log = folder.with_name(folder.name + ".out")
    up = [sys.executable, str(STAND_IN), "up", "--home", str(folder / "home"), "--port", "0", "--no-browser"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, *up], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=REPOSITORY,
            env=environment(WITH_REAL_API="1", HOME=str(folder)), start_new_session=True,
        )  # fmt: skip
    try:
        end = time.monotonic() + 120
        while not (found := re.search(r"ResDrop is ready: (\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield found[1]
    finally:
        process.terminate()
        process.wait(60)
        log.unlink()


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    home = tmp_path_factory.mktemp("asking") / "home"
    running = RunningUp(home, WITH_REAL_API="1", RESDROP_ASK_OWNER="1")
    running.wait_for("ResDrop is ready", seconds=120)
    yield running
    running.clean_up()


class TestWhereTheKernelIsNotAsked:
    """As on macOS; RESDROP_ASK_OWNER has the owner asked here as well."""

    def test_the_owner_is_asked(self, asking: RunningUp) -> None:
        assert httpx.get(f"{asking.url}{RUNS}").status_code == 401
        assert f"Browsers are asked for the token in {asking.home / 'token'}" in asking.output

    def test_the_commands_read_the_token_themselves(self, asking: RunningUp) -> None:
        here = {"RESDROP_HOME": str(asking.home)}
        assert command_line("runs", "list", real=True, **here).returncode == 0
        assert command_line("runs", "list", "--url", asking.url, real=True, **here).returncode == 0
        assert json.loads(command_line("status", "--json", real=True, **here).stdout)["health"]["database"] == "ok"

    def test_so_does_the_python_client(self, asking: RunningUp, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RESDROP_HOME", str(asking.home))
        with Client(asking.url) as client:
            assert list(client.runs()) == []

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:9", "http://evil.example", "http://127.0.0.1.evil.example", "x", "http://[::1"]
    )
    def test_no_other_address_is_sent_the_token(self, asking: RunningUp, url: str) -> None:
        home = Home(asking.home)
        assert home.token_for(asking.url) == home.token()
        assert home.token_for(f"{asking.url}/some/path") == home.token()
        assert home.token_for(url) is None
        assert home.token_for(asking.url.replace("127.0.0.1", "localhost")) is None
        assert home.token_for(asking.url + "0") is None


def test_a_token_of_ones_own_is_kept_for_the_commands_of_other_terminals(up: Up) -> None:
    running = up(WITH_REAL_API="1", RESDROP_ASK_OWNER="1", RESDROP_TOKEN="chosen+by&me")
    running.wait_for("ResDrop is ready", seconds=120)
    token = running.home / "token"
    assert token.read_text() == "chosen+by&me\n"
    assert token.stat().st_mode & 0o777 == 0o600
    assert command_line("runs", "list", real=True, RESDROP_HOME=str(running.home)).returncode == 0


@pytest.mark.parametrize("token", ["ünsicher", "a\nb", " padded"])
def test_a_token_that_no_header_carries_is_refused_without_being_shown(tmp_path: Path, token: str) -> None:
    done = command_line("up", "--home", str(tmp_path / "home"), "--port", "0", RESDROP_TOKEN=token)
    assert done.returncode == 1
    assert "RESDROP_TOKEN has a character that no header carries" in done.stderr
    assert token not in done.stderr
