"""Names, origins, proxies and the root path under which the service is reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import httpx
import pytest

from backend.security.addresses import Addresses
from backend.settings import Settings
from tests.api.house import QUICK, TOKEN, House

RUNS = "/api/v1/runs"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def addresses(**named: str) -> Addresses:
    return Addresses.from_environment({f"RESDROP_{name.upper()}": value for name, value in named.items()})


def house_at(house: House, host: str = "127.0.0.1", **named: str) -> House:
    return House(replace(house.settings, host=host, addresses=addresses(**named)))


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


class TestSettings:
    def test_nothing_named_is_nothing_allowed(self) -> None:
        assert addresses() == Addresses()
        assert Settings.from_environment({}).addresses == Addresses()

    def test_lists_have_commas_or_spaces_between(self) -> None:
        found = addresses(
            allowed_hosts="GPU-box.example.org., *.lab.example.org [::1] 10.0.0.7",
            allowed_origins="https://Board.example.org:443 http://127.0.0.1:3000/",
            trusted_proxies="127.0.0.1,172.18.0.0/16 fd00::/8",
            root_path="resdrop/",
        )
        assert found.allowed_hosts == ("gpu-box.example.org", "*.lab.example.org", "::1", "10.0.0.7")
        assert found.allowed_origins == ("https://board.example.org", "http://127.0.0.1:3000")
        assert list(map(str, found.trusted_proxies)) == ["127.0.0.1/32", "172.18.0.0/16", "fd00::/8"]
        assert found.root_path == "/resdrop"

    @pytest.mark.parametrize(("name", "host"), [("bücher.example", "xn--bcher-kva.example"), ("docker_name", None)])
    def test_names_are_as_browsers_ask_for_them(self, name: str, host: str | None) -> None:
        assert addresses(allowed_hosts=name).allows_host(host or name)

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            *[
                ("allowed_hosts", text)
                for text in ("*", "http://gpu-box", "gpu-box:8000", "a..b", "*.*.a", "a/b", "-a")
            ],
            *[
                ("allowed_origins", text)
                for text in ("*", "null", "gpu-box", "https://a/path", "ftp://a", "https://a:x")
            ],
            *[("allowed_origins", text) for text in ("https://user@a", "https://")],
            *[("trusted_proxies", text) for text in ("*", "nginx", "localhost", "127.0.0.1:80", "10.0.0.0/33")],
            *[("root_path", text) for text in ("/api", "/static/x", "/runs", "/a//b", "/a b", "/..", "/a/./b", "/ä")],
        ],
    )
    def test_what_cannot_be_meant_is_refused_by_name(self, setting: str, value: str) -> None:
        with pytest.raises(ValueError, match=f"RESDROP_{setting.upper()}"):
            addresses(**{setting: value})


class TestHosts:
    @pytest.mark.parametrize("host", ["gpu-box.example.org", "GPU-BOX.example.org:8000", "gpu-box.example.org.:80"])
    def test_a_name_that_is_allowed_is_served(self, house: House, host: str) -> None:
        headers = {"Host": host, "Origin": f"http://{host.lower()}", "Sec-Fetch-Site": "same-origin"}
        allowing = house_at(house, allowed_hosts="gpu-box.example.org").client
        assert allowing.get(RUNS, headers=headers).status_code == 200
        assert house.client.get(RUNS, headers=headers).status_code == 403

    def test_all_below_a_name_but_not_the_name_and_not_what_only_ends_like_it(self, house: House) -> None:
        client = house_at(house, allowed_hosts="*.example.org").client
        for host, status in {
            "a.example.org": 200,
            "a.b.example.org": 200,
            "example.org": 403,
            "an-example.org": 403,
        }.items():
            assert client.get(RUNS, headers={"Host": host}).status_code == status, host

    def test_the_machines_own_name_is_served_where_all_addresses_are(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("socket.gethostname", lambda: "GPU-Box")
        everywhere, here = house_at(house, "0.0.0.0").client, house_at(house).client
        for host in ("gpu-box:8000", "gpu-box.local"):
            assert everywhere.get(RUNS, headers={"Host": host}).status_code == 200
            assert here.get(RUNS, headers={"Host": host}).status_code == 403

    def test_the_refusal_names_the_setting_that_helps(self, house: House) -> None:
        detail = house.client.get(RUNS, headers={"Host": "gpu-box.example.org:8000"}).json()["detail"]
        assert "`resdrop up --allowed-hosts gpu-box.example.org`" in detail
        assert "RESDROP_ALLOWED_HOSTS=gpu-box.example.org" in detail

    def test_a_browser_is_shown_the_refusal_as_a_page(self, house: House) -> None:
        headers = {"Host": "<b>evil", "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
        answer = house.client.get("/runs", headers={**headers, "Host": "gpu-box.example.org"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
        assert "--allowed-hosts gpu-box.example.org" in answer.text
        assert "<b>" not in house.client.get("/runs", headers=headers).text

    def test_under_an_allowed_name_the_owner_is_asked_too(self, house: House) -> None:
        """It is a proxy's, of which nothing else may tell."""
        with house_at(house, allowed_hosts="gpu-box.example.org").served() as url:
            assert httpx.get(f"{url}{RUNS}").status_code == 200
            assert httpx.get(f"{url}{RUNS}", headers={"Host": "gpu-box.example.org"}).status_code == 401


class TestOrigins:
    ORIGIN = "https://board.example.org"

    @pytest.fixture
    def client(self, house: House) -> httpx.Client:
        return house_at(house, allowed_origins=self.ORIGIN).client

    def test_a_page_that_is_allowed_reads_and_launches(self, client: httpx.Client) -> None:
        headers = {"Origin": self.ORIGIN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
        answer = client.get(RUNS, headers=headers)
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, self.ORIGIN)
        assert client.post(RUNS, json={"config": QUICK}, headers=headers).status_code == 201

    def test_it_is_asked_for_the_token_and_can_read_that(self, client: httpx.Client) -> None:
        del client.headers["Authorization"]
        answer = client.get(RUNS, headers={"Origin": self.ORIGIN})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (401, self.ORIGIN)

    def test_a_browser_that_asks_beforehand_is_told_what_it_may_send(self, client: httpx.Client) -> None:
        del client.headers["Authorization"]
        asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
        answer = client.options(f"{RUNS}/r_x", headers={"Origin": self.ORIGIN, **asked})
        assert (answer.status_code, answer.content, "Content-Type" in answer.headers) == (204, b"", False)
        assert answer.headers["Access-Control-Allow-Origin"] == self.ORIGIN
        assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]

    @pytest.mark.parametrize(
        ("asked", "detail"),
        [
            ({"Access-Control-Request-Method": "PUT"}, "the method 'PUT'; there are GET, HEAD, POST, PATCH, DELETE."),
            ({"Access-Control-Request-Headers": "accept, x-colour"}, "the header 'x-colour'; beside what every page "),
            ({"Access-Control-Request-Private-Network": "true"}, "it is asked for over a private network."),
        ],
    )
    def test_what_it_may_not_send_is_refused_with_a_problem(
        self, client: httpx.Client, asked: dict[str, str], detail: str
    ) -> None:
        headers = {"Origin": self.ORIGIN, "Access-Control-Request-Method": "GET", **asked}
        answer = client.options(RUNS, headers=headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
        assert detail in answer.json()["detail"]
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        assert answer.headers.get_list("Vary")[0].startswith("Origin, Access-Control-Request-Method")

    @pytest.mark.parametrize(
        "origin", ["http://board.example.org", "https://board.example.org:8443", "null", "https://x"]
    )
    def test_any_other_is_refused_with_the_setting_that_helps(self, client: httpx.Client, origin: str) -> None:
        answer = client.get(RUNS, headers={"Origin": origin})
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert (f"`resdrop up --allowed-origins {origin}`" in answer.json()["detail"]) == (origin != "null")

    def test_its_own_page_asks_no_other_site(self, client: httpx.Client) -> None:
        own = str(client.base_url).rstrip("/")
        answer = client.options(RUNS, headers={"Origin": own, "Access-Control-Request-Method": "PUT"})
        assert (answer.status_code, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")
        assert client.get(RUNS, headers={"Origin": own}).status_code == 200

    def test_in_the_owners_browser_it_needs_the_token_too(self, house: House) -> None:
        with house_at(house, allowed_origins=self.ORIGIN).served() as url:
            assert httpx.get(f"{url}{RUNS}").status_code == 200
            assert httpx.get(f"{url}{RUNS}", headers={"Origin": self.ORIGIN}).status_code == 401
            assert httpx.get(f"{url}{RUNS}", headers={"Origin": self.ORIGIN, **BEARER}).status_code == 200

    def test_the_port_of_the_scheme_may_stand_or_not(self, house: House) -> None:
        client = house_at(house, allowed_hosts="gpu-box.example.org").client
        pairs = [
            ("https://gpu-box.example.org", "gpu-box.example.org:443"),
            ("http://gpu-box.example.org", "gpu-box.example.org:80"),
        ]
        for origin, host in pairs:
            assert client.get(RUNS, headers={"Origin": origin, "Host": host}).status_code == 200
        assert (
            client.get(
                RUNS, headers={"Origin": "http://gpu-box.example.org:81", "Host": "gpu-box.example.org"}
            ).status_code
            == 403
        )


class TestProxies:
    """Over real connections, for who is a proxy is told by its address."""

    FORWARDED: ClassVar = {
        "Host": "127.0.0.1:8000",
        "X-Forwarded-Host": "evil.example, gpu-box.example.org",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/tools/resdrop/",
        "Accept": "text/html",
    }

    @pytest.fixture
    def trusting(self, house: House) -> Iterator[str]:
        named = {"allowed_hosts": "gpu-box.example.org", "trusted_proxies": "127.0.0.1"}
        with house_at(house, **named).served() as url:
            yield url

    def test_one_that_is_named_says_host_scheme_and_path(self, trusting: str) -> None:
        form = {"token": TOKEN, "next": "/tools/resdrop/runs"}
        headers = {**self.FORWARDED, "Origin": "https://gpu-box.example.org", "Sec-Fetch-Site": "same-origin"}
        answer = httpx.post(f"{trusting}/login", data=form, headers=headers)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/tools/resdrop/runs")
        cookie = answer.headers["Set-Cookie"]
        assert "Path=/tools/resdrop;" in cookie
        assert "Secure" in cookie
        page = httpx.get(f"{trusting}/runs", headers={**self.FORWARDED, "Cookie": cookie.partition(";")[0]})
        assert '"/tools/resdrop/static/' in page.text

    def test_any_other_says_nothing(self, house: House) -> None:
        with house_at(house, trusted_proxies="10.0.0.1").served() as url:
            answer = httpx.post(f"{url}/login", data={"token": TOKEN}, headers=self.FORWARDED)
            assert answer.headers["Location"] == "/"
            assert "Path=/;" in answer.headers["Set-Cookie"]
            assert "Secure" not in answer.headers["Set-Cookie"]
            page = httpx.get(f"{url}/runs", headers={**self.FORWARDED, **BEARER})
            assert '"/static/' in page.text

    def test_what_it_says_has_to_be_allowed_as_well(self, trusting: str) -> None:
        headers = {**self.FORWARDED, **BEARER, "X-Forwarded-Host": "evil.example"}
        assert httpx.get(f"{trusting}/runs", headers=headers).status_code == 403

    @pytest.mark.parametrize("prefix", ["//evil.example", "/a b", '/"><script>', "/..", "/api", "evil"])
    def test_a_path_that_none_can_be_is_passed_over(self, trusting: str, prefix: str) -> None:
        headers = {**self.FORWARDED, **BEARER, "X-Forwarded-Prefix": prefix}
        assert '"/static/' in httpx.get(f"{trusting}/runs", headers=headers).text

    def test_visitors_of_a_proxy_are_no_owners(self, trusting: str) -> None:
        """Also where nothing in the request tells of one."""
        assert httpx.get(f"{trusting}{RUNS}").status_code == 401
        assert httpx.get(f"{trusting}{RUNS}", headers={"X-Forwarded-Host": "127.0.0.1"}).status_code == 401

    def test_where_it_is_not_believed_the_refusal_names_the_setting(self, house: House) -> None:
        with house.served() as url:
            headers = {"Host": "gpu-box.example.org", "X-Forwarded-Host": "gpu-box.example.org"}
            assert "RESDROP_TRUSTED_PROXIES=127.0.0.1" in httpx.get(f"{url}{RUNS}", headers=headers).json()["detail"]
            headers = {"Origin": "https://gpu-box.example.org", "X-Forwarded-Host": "gpu-box.example.org"}
            assert "RESDROP_TRUSTED_PROXIES=127.0.0.1" in httpx.get(f"{url}{RUNS}", headers=headers).json()["detail"]

    @pytest.mark.parametrize(
        ("other", "status"),
        [
            ("203.0.113.7", 200),
            ("198.51.100.1, 203.0.113.7", 200),
            ("203.0.113.7, 127.0.0.1", 200),
            ("203.0.113.8", 401),
            ("203.0.113.7, 198.51.100.1", 401),
            ("", 401),
            ("2001:db8::zz", 401),
            ("203.0.113.7:99", 401),
        ],
    )
    def test_a_cookie_is_of_the_address_that_the_proxy_names(self, trusting: str, other: str, status: int) -> None:
        headers = {**self.FORWARDED, "X-Forwarded-For": "203.0.113.7"}
        answer = httpx.post(f"{trusting}/login", data={"token": TOKEN}, headers=headers)
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        headers = {**self.FORWARDED, "X-Forwarded-For": other, "Cookie": cookie}
        assert httpx.get(f"{trusting}{RUNS}", headers=headers).status_code == status


class TestRootPath:
    """A proxy may remove it from what it passes on, or not."""

    @pytest.fixture
    def below(self, house: House) -> House:
        return house_at(house, root_path="/resdrop")

    @pytest.mark.parametrize("prefix", ["/resdrop", ""])
    def test_the_interface_answers_with_addresses_below_it(self, below: House, prefix: str) -> None:
        client = below.client
        made = client.post(f"{prefix}{RUNS}", json={"config": QUICK})
        assert made.headers["Location"] == f"/resdrop{RUNS}/{made.json()['id']}"
        assert client.get(made.headers["Location"]).json()["id"] == made.json()["id"]
        assert client.get(f"{prefix}/api/v1/openapi.json").json()["servers"] == [{"url": "/resdrop"}]
        assert client.head(f"{prefix}{RUNS}").status_code == 200
        assert client.put(f"{prefix}{RUNS}").headers["Allow"] == "GET, HEAD, OPTIONS, POST"
        assert client.get(f"{prefix}/api/v1/nothing").json()["status"] == 404

    @pytest.mark.parametrize("path", ["/resdrop", "/resdrop/", "/", "/resdrop/runs/r_x", "/runs/r_x", "/resdropped"])
    def test_the_page_names_its_files_below_it(self, below: House, path: str) -> None:
        text = below.client.get(path).text
        named = [part for part in text.split('"') if "/static/" in part]
        assert named
        assert all(part.startswith("/resdrop/static/") for part in named)
        assert all(below.client.get(part).status_code == 200 for part in named)

    def test_the_token_page_leads_to_where_one_was_going(self, below: House) -> None:
        stranger: Any = below.stranger()
        page = stranger.get("/runs/r_x?x=epoch", headers={"Accept": "text/html"})
        assert page.status_code == 401
        assert 'action="/resdrop/login"' in page.text
        assert 'value="/resdrop/runs/r_x?x=epoch"' in page.text
        answer = stranger.post("/login", data={"token": TOKEN, "next": ""}, follow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/resdrop/")
        assert "Path=/resdrop;" in answer.headers["Set-Cookie"]

    def test_the_same_launch_through_proxy_and_beside_it_is_made_once(self, below: House) -> None:
        key = {"Idempotency-Key": "through and beside"}
        answers = [
            below.client.post(f"{prefix}{RUNS}", json={"config": QUICK}, headers=key) for prefix in ("/resdrop", "")
        ]
        assert len({answer.json()["id"] for answer in answers}) == 1
