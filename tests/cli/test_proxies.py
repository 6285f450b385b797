"""Proxies and certificates that the shell names: passed over on this machine, used for a service elsewhere."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator

import pytest

from backend.client import CannotConnect, Client, Unreachable
from backend.loopback import is_loopback
from backend.transport import proxy_for
from tests.cli.running import RunningUp, command_line
from tests.support.outside import outside

DEAD = "127.0.0.1:9"
SHELLS = [
    {"http_proxy": f"http://{DEAD}"},
    {"HTTP_PROXY": DEAD},
    {"ALL_PROXY": f"socks5://{DEAD}", "HTTPS_PROXY": f"http://{DEAD}"},
    {"all_proxy": f"socks5h://user:secret@{DEAD}"},
    {"http_proxy": "http://[::1", "NO_PROXY": "[::1]"},
    {"NO_PROXY": "[::1], 10.0.0.0/8, *.corp, ::1"},
    {"SSL_CERT_FILE": "/nowhere/certificates.pem"},
    {"SSL_CERT_DIR": "/nowhere"},
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    running = RunningUp(tmp_path_factory.mktemp("service") / "home", WITH_REAL_API="1")
    running.wait_for("ResDrop is ready", seconds=120)
    yield running
    running.clean_up()


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: "-".join(shell))
def test_commands_reach_this_machines_service_whatever_the_shell_names(
    service: RunningUp, shell: dict[str, str]
) -> None:
    home = ("--home", str(service.home))
    for command in (["status", *home], ["runs", "list", *home], ["runs", "list", "--url", service.url]):
        done = command_line(*command, real=True, **shell)
        assert (done.returncode, done.stderr) == (0, ""), command


@pytest.mark.parametrize("shell", [SHELLS[0], SHELLS[2], SHELLS[4]], ids=lambda shell: "-".join(shell))
def test_the_demo_is_launched_whatever_proxy_the_shell_names(
    up: Callable[..., RunningUp], shell: dict[str, str]
) -> None:
    running = up("--demo", WITH_REAL_API="1", **shell)
    running.wait_for("demo       launched a baseline and its stochastic-depth twin", seconds=120)
    running.signal(signal.SIGINT)
    assert running.wait() == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "[::1]", "localhost", "LOCALHOST.", "gpu.localhost"])
def test_loopback_never_goes_through_a_proxy(host: str) -> None:
    assert proxy_for(f"http://{host}:8000", {"http_proxy": "http://proxy:3128", "all_proxy": "x"}) is None


@pytest.mark.parametrize("host", ["localhost.example", "128.0.0.1", "example", "", "::2", "127.0.0.1.example"])
def test_other_names_are_not_this_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "exceptions", "is_direct"),
    [
        ("http://gpu.corp.example", "corp.example", True),
        ("http://gpu.corp.example", ".corp.example", True),
        ("http://gpu.corp.example", "*.corp.example", True),
        ("http://GPU.corp.example.", "other, gpu.CORP.example", True),
        ("http://gpu.corp.example:8000", "gpu.corp.example:8000", True),
        ("http://gpu.corp.example:8000", "gpu.corp.example:9000", False),
        ("http://gpu.notcorp.example", "corp.example", False),
        ("http://10.1.2.3:8000", "10.0.0.0/8", True),
        ("http://10.1.2.3:8000", "10.1.2.3", True),
        ("http://11.1.2.3:8000", "10.0.0.0/8", False),
        ("http://[fd00::1]:8000", "[fd00::1]", True),
        ("http://[fd00::1]:8000", "[fd00::1]:8000 other", True),
        ("http://[fd00::1]:8000", "fd00::/8", True),
        ("http://[fd00::1]:8000", "[fe80::1]", False),
        ("http://example", "*", True),
        ("http://example", "[::1", False),
        ("http://example", ",, .", False),
    ],
)
def test_exceptions_are_understood_in_all_their_spellings(url: str, exceptions: str, is_direct: bool) -> None:
    found = proxy_for(url, {"HTTP_PROXY": "proxy:3128", "NO_PROXY": exceptions})
    assert found == (None if is_direct else "http://proxy:3128")


def test_a_service_elsewhere_is_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with outside() as world:
        monkeypatch.setenv("http_proxy", world.address)
        with Client("http://gpu.example:8000") as client, pytest.raises(Exception, match="502"):
            client.health()
        assert world.asked == ["GET http://gpu.example:8000/api/v1/health"]


def test_a_proxy_that_is_away_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:secret@{DEAD}")
    with Client("http://gpu.example:8000") as client, pytest.raises(Unreachable) as told:
        client.health()
    assert f"at http://gpu.example:8000 through the proxy http://{DEAD}" in str(told.value)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ({"ALL_PROXY": f"socks5://me:secret@{DEAD}"}, f"The proxy socks5://{DEAD} speaks SOCKS, .* socksio .*NO_PROXY"),
        ({"http_proxy": "ftp://proxy"}, "The proxy ftp://proxy that the environment names cannot be used .*http_proxy"),
        ({"http_proxy": "http://[::1"}, r"The proxy http://\[::1 that the environment names cannot be used"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_in_one_sentence_with_the_remedy(shell: dict[str, str], said: str) -> None:
    done = command_line("runs", "list", "--url", "http://gpu.example:8000", real=True, **shell)
    assert done.returncode == 1
    assert re.fullmatch(f"{said}.*\\.\n", done.stderr), done.stderr
    assert "secret" not in done.stderr


def test_certificates_that_are_not_there_are_told_where_they_are_needed() -> None:
    shell = {"SSL_CERT_FILE": "/nowhere/certificates.pem"}
    done = command_line("runs", "list", "--url", "https://gpu.example:8000", real=True, **shell)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "SSL_CERT_FILE '/nowhere/certificates.pem' cannot be read (No such file or directory)" in done.stderr


def test_a_token_that_no_header_can_carry_is_told() -> None:
    with pytest.raises(CannotConnect, match="no header can carry"):
        Client("http://127.0.0.1:9", token="schlüssel")
