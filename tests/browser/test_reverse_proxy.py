"""The service behind a real nginx, below a path of a site with a name of its own, as docs/security.md shows it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, expect

from backend.client import Client
from tests.support.nginx import examples, nginx
from tests.support.service import QUICK_CONFIG, REPOSITORY, Service

pytestmark = pytest.mark.browser

NAME = "gpu-box.localhost"  # browsers find every name below localhost on this machine
SETTINGS = {
    "RESDROP_ALLOWED_HOSTS": NAME,
    "RESDROP_TRUSTED_PROXIES": "127.0.0.1",
    "RESDROP_ROOT_PATH": "/resdrop",
    "RESDROP_TOKEN": "a token for those behind the proxy",
}
TOKEN = SETTINGS["RESDROP_TOKEN"]
PATIENCE = 60_000

LAUNCH = """async ([address, config]) => {
  const body = JSON.stringify({ config, seeds: [0] });
  const answer = await fetch(address, { method: "POST", body, headers: { "Content-Type": "application/json" } });
  return [answer.status, answer.headers.get("Location"), (await answer.json()).id];
}"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = Service(tmp_path_factory.mktemp("resdrop") / "home", environment=SETTINGS)
    started.api.headers["Authorization"] = f"Bearer {TOKEN}"
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def port(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of an nginx that has the service at /resdrop/ and, with the path removed, at /tools/resdrop/."""
    keeping, removing = (text.replace("127.0.0.1:8000", f"127.0.0.1:{service.port}") for text in examples())
    removing = removing.replace("/resdrop", "/tools/resdrop")
    with nginx(tmp_path_factory.mktemp("proxy") / "nginx", keeping + removing) as started:
        yield started


@pytest.fixture
def asked() -> list[str]:
    """The paths of everything that the page asked for."""
    return []


@pytest.fixture
def page(browser: Browser, port: int, asked: list[str]) -> Iterator[Page]:
    """Asks for nothing but the site, and fails its test where an answer or the page's own code does."""
    context = browser.new_context(base_url=f"http://{NAME}:{port}", viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url.removeprefix(f"http://{NAME}:{port}"))

    context.on("request", note)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("response", lambda answer: complaints.append(answer.url) if answer.status in (403, 404, 502) else None)
    yield opened
    context.close()
    assert complaints == []


@pytest.mark.parametrize("root", ["/resdrop", "/tools/resdrop"])
def test_a_visitor_enters_the_token_launches_watches_and_reads_the_report(
    page: Page, asked: list[str], root: str, service: Service
) -> None:
    page.goto(f"{root}/new?x=1")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"**{root}/new?x=1", timeout=PATIENCE)
    (cookie,) = page.context.cookies()
    assert cookie["path"] == root

    page.get_by_role("link", name="Runs").first.click()
    page.wait_for_url(f"**{root}/runs", timeout=PATIENCE)
    status, location, made = page.evaluate(LAUNCH, [f"{root}/api/v1/comparisons", QUICK_CONFIG | {"epochs": 1}])
    assert (status, location) == (201, f"{root}/api/v1/comparisons/{made}")
    expect(page.locator("tbody").get_by_role("link").first).to_be_visible(timeout=PATIENCE)

    page.goto(f"{root}/comparisons/{made}")
    for run in service.api.get("/runs", params={"limit": 2}).json()["items"]:
        service.wait_for_status(run["id"], "completed", seconds=120)
    report = page.get_by_role("link", name=re.compile("report", re.IGNORECASE)).first
    expect(report).to_have_attribute("href", re.compile(f"^{root}/api/v1/comparisons/"), timeout=PATIENCE)
    page.goto(str(report.get_attribute("href")))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert {path[: len(root) + 1] for path in asked} == {f"{root}/"}


def test_a_run_is_seen_to_end_without_being_loaded_again(page: Page, port: int) -> None:
    page.goto("/resdrop/")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/resdrop/**", timeout=PATIENCE)
    with Client(f"http://127.0.0.1:{port}/resdrop", token=TOKEN) as client:
        run = client.launch(QUICK_CONFIG | {"epochs": 2}, name="behind a proxy")
        page.get_by_role("link", name="behind a proxy", exact=True).click(timeout=PATIENCE)
        page.wait_for_url(f"**/resdrop/runs/{run['id']}", timeout=PATIENCE)
        expect(page.get_by_text("Completed").first).to_be_visible(timeout=2 * PATIENCE)


def test_events_come_at_once(port: int) -> None:
    """nginx would keep them back until it has some kilobytes."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=30) as client,
        client.stream("GET", "/tools/resdrop/api/v1/live") as answer,
    ):
        began = time.monotonic()
        assert next(line for line in answer.iter_lines() if line.startswith("event:"))
        assert time.monotonic() - began < 20


def test_the_command_line_speaks_through_it(port: int) -> None:
    for root in ("/resdrop", "/resdrop/", "/tools/resdrop"):
        command = [
            sys.executable,
            "-m",
            "backend.cli",
            "runs",
            "list",
            "--json",
            "--url",
            f"http://127.0.0.1:{port}{root}",
        ]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "RESDROP_TOKEN": TOKEN}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd="/")
        assert done.returncode == 0, done.stderr
        assert isinstance(json.loads(done.stdout), list | dict)


def test_the_accounts_own_proxy_makes_nobody_the_owner(port: int) -> None:
    """It runs as the very account that runs the service."""
    for root in ("/resdrop", "/tools/resdrop"):
        assert httpx.get(f"http://127.0.0.1:{port}{root}/api/v1/runs", trust_env=False).status_code == 401


def test_a_name_that_is_not_allowed_is_told_what_would_allow_it(port: int) -> None:
    for root in ("/resdrop", "/tools/resdrop"):
        headers = {"Host": "train.example.org", "Authorization": f"Bearer {TOKEN}"}
        answer = httpx.get(f"http://127.0.0.1:{port}{root}/api/v1/runs", headers=headers, trust_env=False)
        assert answer.status_code == 403
        assert "--allowed-hosts train.example.org" in answer.json()["detail"]


def test_a_proxy_that_tells_nothing_of_itself_makes_nobody_the_owner(
    service: Service, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As newer versions of nginx are without any setting but the address."""
    bare = f'location / {{ proxy_pass {service.url}; proxy_http_version 1.1; proxy_set_header Connection ""; }}'
    with nginx(tmp_path_factory.mktemp("bare") / "nginx", bare) as bare_port:
        assert httpx.get(f"http://127.0.0.1:{bare_port}/api/v1/runs", trust_env=False).status_code == 401


def test_the_cookie_of_a_visitor_is_worth_nothing_in_other_hands(port: int) -> None:
    """A browser sends it to every server of the host, which then comes from an address of its own."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert client.post("/resdrop/login", data={"token": TOKEN}).status_code == 303
        assert client.get("/resdrop/api/v1/runs").status_code == 200
        elsewhere = httpx.HTTPTransport(local_address="127.0.0.9")
        with httpx.Client(transport=elsewhere, cookies=client.cookies) as other:
            assert other.get(f"http://127.0.0.1:{port}/resdrop/api/v1/runs").status_code == 401


def test_it_is_used_beside_the_proxy_without_and_with_the_path(service: Service) -> None:
    for path in ("/resdrop/", "/"):
        text = service.api.get(f"{service.url}{path}").text
        assert '"/resdrop/static/' in text
    assert f"ResDrop is ready: {service.url}/resdrop" in service.output()


def test_a_link_without_the_last_slash_leads_on(port: int) -> None:
    answer = httpx.get(f"http://127.0.0.1:{port}/resdrop", trust_env=False)
    assert answer.status_code == 301
    assert answer.headers["Location"].endswith("/resdrop/")
