"""Who may speak to the service, and what it never gives away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from backend.loopback import is_loopback
from backend.serve import refuse_open_door
from tests.api.house import QUICK, House

RUNS = "/api/v1/runs"
METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"]
PATHS = ["/", "/static/js/main.js", "/static/css/base.css", RUNS, "/api/v1/live", "/api/v1/openapi.json", "/nothing"]


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


class TestHosts:
    @pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:9", "[::1]:8000", "127.0.0.1"])
    def test_our_own_names_are_served(self, house: House, host: str) -> None:
        assert house.client.get(RUNS, headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8000",
            "10.0.0.1",
            "",
            "[",
            "a@b",
            "x@127.0.0.1",
            "127.0.0.1/x",
            "127.0.0.1#x",
            "127.0.0.1:8000:x",
        ],
    )
    def test_any_other_name_is_refused_everywhere(self, house: House, host: str) -> None:
        """A page of evil.example whose name was bent to 127.0.0.1 sends its own Host."""
        for path in PATHS:
            answer = house.client.get(path, headers={"Host": host})
            assert answer.status_code == 403, path
            assert answer.headers["Content-Type"] == "application/problem+json"


class TestOrigins:
    @pytest.mark.parametrize("method", METHODS)
    def test_pages_of_others_are_refused_whatever_they_send(self, house: House, method: str) -> None:
        before = house.api.get("/runs")
        for origin in ("http://evil.example", "http://localhost:3000", "null", "http://127.0.0.1:8001", "file://"):
            for path in PATHS:
                answer = house.client.request(method, path, headers={"Origin": origin})
                assert answer.status_code == 403, (origin, path)
                assert "Access-Control-Allow-Origin" not in answer.headers
        assert house.api.get("/runs") == before

    def test_our_own_page_is_served(self, house: House) -> None:
        headers = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
        assert house.client.post(RUNS, json={"config": QUICK}, headers=headers).status_code == 201

    def test_images_and_scripts_of_other_sites_get_nothing(self, house: House) -> None:
        """Such requests carry no Origin."""
        for site in ("cross-site", "same-site"):
            for path in PATHS:
                headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
                assert house.client.get(path, headers=headers).status_code == 403

    def test_a_link_on_another_site_leads_to_the_page_only(self, house: House) -> None:
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert house.client.get("/runs/r_x", headers=headers).status_code == 200
        assert house.client.get(RUNS, headers=headers).status_code == 403


def test_bound_to_every_address_it_answers_to_addresses_but_not_to_any_name(house: House) -> None:
    everywhere = House(replace(house.settings, host="0.0.0.0")).client
    assert everywhere.get(RUNS, headers={"Host": "192.168.1.7:8000"}).status_code == 200
    assert everywhere.get(RUNS, headers={"Host": "evil.example"}).status_code == 403


def test_an_open_door_needs_a_token(house: House) -> None:
    settings = replace(house.settings, token=None)
    for host in ("0.0.0.0", "::", "192.168.1.7", "gpu-box"):
        with pytest.raises(ValueError, match="set RESDROP_TOKEN"):
            refuse_open_door(replace(settings, host=host))
        refuse_open_door(replace(settings, host=host, token="x"))
    for host in ("127.0.0.1", "localhost", "LOCALHOST", "::1", "::ffff:127.0.0.1", "127.8.8.8"):
        assert is_loopback(host)
        refuse_open_door(replace(settings, host=host))


def test_every_answer_carries_the_protective_headers(house: House) -> None:
    for path in [*PATHS[:4], "/nothing.js", "/api/v1/nothing"]:
        headers = house.client.get(path).headers
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe-eval" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


class TestCheckpointFiles:
    """The path comes from a worker's message: nothing in it may lead out of the storage root."""

    def fetch(self, house: House, path: str, *, root_id: str = "root") -> httpx.Response:
        run_id = house.api.launch()
        checkpoint_id = house.checkpoint(run_id, path, root_id=root_id, content=None)
        return house.client.get(f"{RUNS}/{run_id}/checkpoints/{checkpoint_id}/file")

    def test_are_downloaded(self, house: House) -> None:
        house.mount_root()
        run_id = house.api.launch()
        checkpoint_id = house.checkpoint(run_id, f"runs/{run_id}/attempt-1/step-5.pt", content=b"weights")
        (listed,) = house.api.get(f"/runs/{run_id}/checkpoints")["items"]
        assert (listed["id"], listed["step"], listed["best"]) == (checkpoint_id, 5, True)
        answer = house.client.get(f"{RUNS}/{run_id}/checkpoints/{checkpoint_id}/file")
        assert answer.content == b"weights"
        assert f'filename="{run_id}-step-5.pt"' in answer.headers["Content-Disposition"]
        assert house.api.run(run_id)["resumable"]

    def test_paths_that_lead_elsewhere_are_refused(self, house: House, tmp_path: Path) -> None:
        files = house.mount_root()
        secret = tmp_path / "secret"
        secret.write_text("secret")
        (files / "link").symlink_to(secret)
        (files / "folder").symlink_to(tmp_path)
        inside = ["link", "folder/secret", "root.json/..", ".", "", "missing", "runs"]
        outside = [
            "../../secret",
            "../secret",
            str(secret),
            "//etc/passwd",
            "runs/../../../secret",
            "a\\..\\..\\secret",
        ]
        (files / "runs").mkdir(exist_ok=True)
        for path in inside + outside:
            assert self.fetch(house, path).status_code == 404, path

    def test_of_another_storage_are_not_looked_for(self, house: House) -> None:
        house.mount_root("this one")
        answer = self.fetch(house, "root.json", root_id="another")
        assert answer.status_code == 409
        assert "storage another, which is not mounted here" in answer.json()["detail"]

    def test_of_another_run_are_not_found(self, house: House) -> None:
        house.mount_root()
        mine, other = house.api.launch(), house.api.launch()
        checkpoint_id = house.checkpoint(mine, f"runs/{mine}/step-5.pt")
        assert house.client.get(f"{RUNS}/{other}/checkpoints/{checkpoint_id}/file").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/static/../backend/app.py",
        "/static/%2e%2e/backend/app.py",
        "/static/..%2fbackend/app.py",
        "/static//etc/passwd",
        "/static/js/../../README.md",
        "/vendor/../backend/app.py",
        "/vendor/other.js",
        "/static/%00",
    ],
)
def test_static_files_end_at_their_folder(house: House, path: str) -> None:
    answer = house.client.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text
