"""Texts that would deceive whoever reads a list: refused where they come in, kept whole where they stand already."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest

from backend.db.tables import Run
from tests.api.house import QUICK, House, on_both

HOSTILE = ["\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u2029", "\u202e", "\u2066", "\u2069"]
INVISIBLE = ["\u200b", "\u200d\u200c", "\ufeff", "\u3164", "\u00ad\u2060", "\u2800"]
FOLDER = {"dataset": "imagefolder", "data_dir": "/data/x"}


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def post(house: House, path: str, body: dict[str, Any]) -> httpx.Response:
    return house.client.post(f"/api/v1{path}", json=body)


def assert_refused(answer: httpx.Response, field: str, *said: str) -> None:
    assert answer.status_code == 422, answer.text
    (sentence,) = answer.json()["errors"][field]
    for part in said:
        assert part in sentence


@on_both
class TestWhatComesIn:
    @pytest.mark.parametrize("sign", HOSTILE)
    def test_is_refused_wherever_a_text_is_taken(self, house: House, sign: str) -> None:
        text, said = f"a{sign}b", (f"U+{ord(sign):04X} at character 2", "remove it")
        assert_refused(post(house, "/runs", {"config": QUICK, "name": text}), "name", *said)
        assert_refused(post(house, "/runs", {"config": QUICK, "tags": ["fine", text]}), "tags", *said)
        assert_refused(post(house, "/runs", {"config": QUICK, "notes": text}), "notes", *said)
        assert_refused(post(house, "/comparisons", {"config": QUICK, "name": text}), "name", *said)
        folder = f"U+{ord(sign):04X} at character 3"
        assert_refused(
            post(house, "/runs", {"config": QUICK | FOLDER | {"data_dir": f"/a{sign}b"}}), "data_dir", folder
        )
        dataset = {"name": "d", **FOLDER}
        assert_refused(post(house, "/datasets", {**dataset, "title": text}), "title", *said)
        assert_refused(post(house, "/datasets", {**dataset, "data_dir": f"/a{sign}b"}), "data_dir", folder)
        run_id = house.api.launch()
        for body in ({"name": text}, {"tags": [text]}, {"notes": text}):
            assert_refused(house.client.patch(f"/api/v1/runs/{run_id}", json=body), next(iter(body)), *said)

    @pytest.mark.parametrize("text", INVISIBLE)
    def test_has_something_to_see(self, house: House, text: str) -> None:
        assert_refused(post(house, "/runs", {"config": QUICK, "name": text}), "name", "add one that can")
        assert_refused(post(house, "/runs", {"config": QUICK, "tags": [text]}), "tags", "add one that can")
        assert_refused(post(house, "/comparisons", {"config": QUICK, "name": text}), "name", "add one that can")

    def test_notes_may_have_lines_and_tabs(self, house: House) -> None:
        notes = "one\n\ttwo\r\nthree"
        made = post(house, "/runs", {"config": QUICK, "notes": notes})
        assert made.json()["notes"] == notes

    def test_a_tag_holds_no_comma(self, house: House) -> None:
        assert_refused(post(house, "/runs", {"config": QUICK, "tags": ["a,b"]}), "tags", "comma", "send two tags")
        run_id = house.api.launch(tags=["a"])
        answer = house.client.patch(f"/api/v1/runs/{run_id}", json={"tags": ["a", "b,c"]})
        assert_refused(answer, "tags", "comma")

    def test_tags_that_are_found_alike_are_one(self, house: House) -> None:
        assert house.api.run(house.api.launch(tags=["Übung", "übung", "x"]))["tags"] == ["Übung", "x"]


@on_both
class TestWhatStandsAlready:
    @pytest.fixture
    def run_id(self, house: House) -> str:
        """Of a time when all of it was taken."""
        run_id = house.api.launch()
        with house.database.write() as session:
            run = session.get_one(Run, run_id)
            run.name, run.tags, run.notes = "old\u202e name", ["a,b", "\x9b"], "see\u2028there"
        return run_id

    def test_survives_an_edit_of_something_else(self, house: House, run_id: str) -> None:
        whole = house.api.run(run_id)
        body = {"name": whole["name"], "tags": [*whole["tags"], "new"], "notes": whole["notes"]}
        edited = house.client.patch(f"/api/v1/runs/{run_id}", json=body).json()
        assert (edited["name"], edited["notes"]) == (whole["name"], whole["notes"])
        assert edited["tags"] == ["a,b", "\x9b", "new"]

    def test_does_not_spread_to_a_clone(self, house: House, run_id: str) -> None:
        clone = house.api.post(f"/runs/{run_id}/clone")
        assert clone["name"] == "old name (again)"
        assert clone["tags"] == ["a,b"]


@on_both
def test_stored_names_of_metrics_break_no_csv(house: House) -> None:
    run_id = house.api.launch()
    odd = ["=cmd()", "a,b", 'say "x"', "two\nlines"]
    house.points(run_id, range(1, 2), **{name: lambda _: -1.5 for name in odd})
    header, row = csv.reader(io.StringIO(house.client.get(f"/api/v1/runs/{run_id}/metrics.csv").text))
    assert header[4:] == sorted(["'=cmd()", *odd[1:]], key=lambda name: name.removeprefix("'"))
    assert row[4:] == ["-1.5"] * 4
