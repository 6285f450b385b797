"""The page's files as releases, the library of others, and the addresses that the page itself knows."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

from backend.frontend_files import FrontendFiles
from backend.pages import FRONTEND
from tests.api.house import House

FOR_EVER = "public, max-age=31536000, immutable"
LIBRARY = "vendor/plotly-basic-4.1.1.min.js"
#: What a module names: `from "./x.js"`, `import "./x.js"` and `new URL("./x.js", import.meta.url)`.
NAMED = re.compile(r'(?:from |import |new URL\()"([^"]+)"')


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


@pytest.mark.parametrize("path", ["/", "/runs", "/new", "/runs/r_abc", "/compare?runs=a,b", "/anything/else"])
def test_every_address_of_the_page_gives_the_page(house: House, path: str) -> None:
    answer = house.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "<title>ResDrop</title>" in answer.text
    assert house.client.head(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/missing.js", "/static/missing.js", "/static/", "/static", "/static/index.html", "/static/js/"),
        *("/api/v1/missing", "/api/", "/vendor/plotly.min.js", "/docs.html"),
        *("/static/0123456789abcdef/js/main.js", "/static/0123456789abcdef/vendor/other.js"),
    ],
)
def test_what_is_no_page_is_not_found(house: House, path: str) -> None:
    answer = house.client.get(path)
    assert (answer.status_code, answer.headers.get("Content-Type")) == (404, "application/problem+json")


def test_the_page_is_asked_for_again_but_not_sent_again(house: House) -> None:
    first = house.client.get("/")
    again = house.client.get("/runs", headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert house.client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


def addresses(house: House) -> list[str]:
    """Of all files that the page needs: those that it names, and those that these name in turn."""
    found = re.findall(r'(?:href|src)="([^"#]+)"', house.client.get("/").text)
    for address in found:
        if address.endswith(".js") and "/vendor/" not in address:
            named = [urljoin(address, name) for name in NAMED.findall(house.client.get(address).text)]
            found += [name for name in named if name not in found]
    return found


def test_all_files_of_the_page_are_of_one_release_and_kept_for_ever(house: House) -> None:
    found = addresses(house)
    assert len(found) > 70
    assert len({address.split("/")[2] for address in found}) == 1
    for address in found:
        answer = house.client.get(address)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, FOR_EVER), address
        assert answer.headers["Content-Type"].split(";")[0] in ("text/css", "text/javascript", "image/svg+xml")


def test_a_file_without_its_release_is_asked_for_again(house: House) -> None:
    first = house.client.get("/static/js/main.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = house.client.get("/static/js/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_files_are_compressed_for_who_takes_it(house: House) -> None:
    address = "/static/js/main.js"
    plain = (FRONTEND / "js" / "main.js").read_bytes()
    answers = {taken: house.client.get(address, headers={"Accept-Encoding": taken}) for taken in ("gzip", "identity")}
    assert all(answer.content == plain for answer in answers.values())
    assert answers["gzip"].headers["Content-Encoding"] == "gzip"
    assert int(answers["gzip"].headers["Content-Length"]) < len(plain) / 2
    assert "Content-Encoding" not in answers["identity"].headers
    assert answers["gzip"].headers["ETag"] != answers["identity"].headers["ETag"]
    assert {answer.headers["Vary"] for answer in answers.values()} == {"Accept-Encoding"}


def test_a_head_says_what_a_get_would(house: House) -> None:
    address = next(address for address in addresses(house) if address.endswith("main.js"))
    head, whole = house.client.head(address), house.client.get(address)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == whole.headers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    page = '<script src="/static/js/a.js">'
    files = {"index.html": page, "js/a.js": "one", "vendor/lib-1.min.js": "lib", "read.md": "not served"}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_a_changed_file_makes_another_release_and_the_old_one_is_gone(folder: Path) -> None:
    files = FrontendFiles(folder)
    before = files.release().id
    assert files.find(f"{before}/js/a.js") == (files.release().files["js/a.js"], True)
    (folder / "js" / "a.js").write_text("two")
    os.utime(folder / "js" / "a.js", ns=(1, 1))
    after = files.release()
    assert (after.id != before, after.files["js/a.js"].content) == (True, b"two")
    assert files.find(f"{before}/js/a.js") is None


def test_a_page_of_an_older_release_still_gets_the_files_of_others(folder: Path) -> None:
    files = FrontendFiles(folder)
    older = "0" * 16
    assert files.find(f"{older}/vendor/lib-1.min.js") == (files.release().files["vendor/lib-1.min.js"], True)
    assert files.find(f"{older}/vendor/lib-2.min.js") is None


def test_the_same_files_are_the_same_release_wherever_they_lie(folder: Path) -> None:
    first = FrontendFiles(folder).release()
    os.utime(folder / "js" / "a.js", ns=(1, 1))
    assert FrontendFiles(folder).release().id == first.id
    assert set(first.files) == {"js/a.js", "vendor/lib-1.min.js"}


def test_the_library_is_what_its_publisher_published_with_its_licence() -> None:
    vendor = FRONTEND / "vendor"
    sums = dict(reversed(line.split()) for line in (vendor / "SHA256SUMS").read_text().splitlines())
    assert sums == {name: hashlib.sha256((vendor / name).read_bytes()).hexdigest() for name in sums}
    assert set(sums) == {path.name for path in vendor.iterdir()} - {".gitattributes", "README.md", "SHA256SUMS"}
    assert (vendor / "LICENSE").read_text().startswith("MIT License")


def test_the_library_comes_compressed_and_is_kept_for_ever(house: House) -> None:
    release = next(address for address in addresses(house) if address.endswith(LIBRARY))
    answer = house.client.get(release, headers={"Accept-Encoding": "gzip, br"})
    assert (answer.headers["Content-Encoding"], answer.headers["Cache-Control"]) == ("gzip", FOR_EVER)
    assert int(answer.headers["Content-Length"]) < 420_000
    assert answer.content == (FRONTEND / LIBRARY).read_bytes()


def test_no_file_of_the_page_leads_to_a_package_registry() -> None:
    for path in FRONTEND.rglob("*.*"):
        assert not re.search(rb"https?://[\w.-]*(pythonhosted|npmjs|pypi\.)", path.read_bytes()), path


def test_what_is_compressed_beforehand_is_whole(folder: Path) -> None:
    files = FrontendFiles(folder)
    files.compress()
    assert gzip.decompress(files.release().files["js/a.js"].compressed) == b"one"
