"""Lists: what is found in them, in which order, and all of it once, page by page; alike on both databases."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from backend.cursors import LONGEST_CURSOR
from backend.db.tables import Checkpoint, Comparison, Run, RunEvent
from backend.runs.creation import NewRow, insert_run
from tests.api.house import House, on_both
from worker.contract.config import RunConfig
from worker.contract.text import folded

NAMES = [
    *("Übung", "übung 2", "UBUNG", "Zebra", "a\u0308pfel", "Äpfel", "ähre", "Ärger", "straße", "STRASSE", "İzmir"),
    *("izmir", "ılgın", "ﬁsch", "Fisch", "Ωmega", "ωmega", "名前", "100%", "a_b", "back\\slash", "Zebra"),
]


@pytest.fixture
def house(shared_house: House) -> Iterator[House]:
    with shared_house.database.write() as session:
        session.execute(delete(Run))
        session.execute(delete(Comparison))
    return shared_house


def launch(house: House, names: list[str], **row: Any) -> list[str]:
    now = datetime.now(UTC)
    with house.database.write() as session:
        rows = [NewRow(config=RunConfig(), name=name, **row) for name in names]
        return [insert_run(session, row, at=now + timedelta(seconds=at)).id for at, row in enumerate(rows)]


def all_pages(house: House, path: str, *, limit: int, **query: Any) -> list[Any]:
    items, cursor = [], None
    for _ in range(10_000):
        page = house.api.get(path, limit=limit, **query, **({"cursor": cursor} if cursor else {}))
        assert page["items"] or cursor is None, "`next` led to nothing"
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items
        assert len(page["items"]) == limit
    raise AssertionError("the list never ends")


def found(house: House, **query: Any) -> set[str]:
    return {run["name"] for run in all_pages(house, "/runs", limit=500, **query)}


@on_both
class TestSorting:
    @pytest.mark.parametrize("sort", ["name", "-name"])
    def test_every_name_comes_once_and_in_the_order_of_what_it_is_folded_to(self, house: House, sort: str) -> None:
        launch(house, NAMES)
        for limit in (1, 2, 7, 100):
            shown = all_pages(house, "/runs", limit=limit, sort=sort)
            keys = [(folded(run["name"]), run["id"]) for run in shown]
            assert keys == sorted(keys, reverse=sort.startswith("-"))
            assert sorted(run["name"] for run in shown) == sorted(NAMES)

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        names=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200), max_size=8)
    )
    def test_whatever_the_names_are(self, house: House, names: list[str]) -> None:
        with house.database.write() as session:
            session.execute(delete(Run))
        launch(house, names)
        for sort in ("name", "-name"):
            assert sorted(run["name"] for run in all_pages(house, "/runs", limit=1, sort=sort)) == sorted(names)

    def test_the_longest_name_leads_to_the_next_page(self, house: House) -> None:
        names = ["\ufdfa" * 200, "\U0001f469" * 200, "名" * 200]
        launch(house, names)
        assert {run["name"] for run in all_pages(house, "/runs", limit=1, sort="name")} == set(names)

    def test_an_edit_moves_a_run_in_the_list_and_in_what_is_found(self, house: House) -> None:
        run_id, other = launch(house, ["Ähre", "Mitte"])
        house.client.patch(f"/api/v1/runs/{run_id}", json={"name": "ÖL", "tags": ["Weiß"], "notes": "Größe"})
        assert [run["id"] for run in house.api.get("/runs", sort="name")["items"]] == [other, run_id]
        for query in ({"q": "ähre"}, {"q": "öl weiss GRÖSSE"}, {"tag": "WEISS"}):
            assert bool(found(house, **query)) == ("ähre" not in query.values())

    @pytest.mark.parametrize("sort", ["best", "elapsed", "epoch", "progress", "status", "change", "created_at"])
    def test_equal_and_missing_values_lose_no_run(self, house: House, sort: str) -> None:
        ids = launch(house, [f"run {n}" for n in range(9)])
        values = [None, 0.1 + 0.2, 0.3, 0.0, None, 99.99999999999999, 100.0, 1e-320, 0.3]
        for run_id, value in zip(ids, values, strict=True):
            house.move(run_id, "queued", best_top1=value, elapsed_seconds=value or 0.0, epoch=value or 0.0)
        for direction in ("", "-"):
            shown = all_pages(house, "/runs", limit=2, sort=direction + sort)
            assert sorted(run["id"] for run in shown) == sorted(ids)


@on_both
class TestSearching:
    @pytest.mark.parametrize(
        ("q", "names"),
        [
            ("Übung", {"Übung", "übung 2"}),
            ("ÜBUNG", {"Übung", "übung 2"}),
            ("u\u0308bung", {"Übung", "übung 2"}),
            ("ubung", {"UBUNG"}),
            ("äpf", {"a\u0308pfel", "Äpfel"}),
            ("Straße", {"straße", "STRASSE"}),
            ("izmir", {"İzmir", "izmir"}),
            ("İZMİR", {"İzmir", "izmir"}),
            ("fisch", {"ﬁsch", "Fisch"}),
            ("ΩMEGA", {"Ωmega", "ωmega"}),
            ("前", {"名前"}),
            ("%", {"100%"}),
            ("_", {"a_b"}),
            ("\\", {"back\\slash"}),
            ("2 übung", {"übung 2"}),
            ("übung zebra", set()),
        ],
    )
    def test_finds_what_reads_alike(self, house: House, q: str, names: set[str]) -> None:
        launch(house, NAMES)
        assert found(house, q=q) == names

    def test_every_word_may_stand_in_another_place(self, house: House) -> None:
        launch(house, ["alpha"], tags=["Beta"], notes="über Gamma\nund Delta")
        launch(house, ["alpha"], tags=["epsilon"])
        for q, count in (("gamma ALPHA", 1), ("beta delta", 1), ("ÜBER", 1), ("alpha", 2), ("epsilon gamma", 0)):
            assert len(all_pages(house, "/runs", limit=10, q=q)) == count, q

    def test_a_digit_of_an_id_is_no_match_and_its_beginning_is(self, house: House) -> None:
        ids = launch(house, [f"seed {letter}" for letter in "ABCDEFGH" * 5])
        assert any("1" in run_id for run_id in ids)
        assert found(house, q="seed 1") == set()
        for q in (ids[0], ids[0][:7], ids[0].upper(), f"seed {ids[0][:8]} a"):
            assert ids[0] in [run["id"] for run in house.api.get("/runs", q=q)["items"]], q
        for q in (ids[0][1:], ids[0][2:8]):
            assert all_pages(house, "/runs", limit=100, q=q) == []
        assert all_pages(house, "/runs", limit=100, q="r_") == []

    def test_tags_are_whole_and_their_case_does_not_matter(self, house: House) -> None:
        odd = ['a"b', "100%", "ä_ö", "back\\slash", "x y", "é"]
        for tag in odd:
            launch(house, [tag], tags=["Other", tag])
        for tag in odd:
            assert found(house, tag=tag) == {tag}
            assert found(house, tag=tag.upper()) == {tag}
        assert found(house, tag="e\u0301") == {"é"}
        assert found(house, tag="oth") == set()
        assert found(house, tag="OTHER") == set(odd)

    @pytest.mark.parametrize("query", ["q=", "q=%20", "q=%E2%80%8B", "tag=", "tag=%E2%80%8B", "status=", "tag=a%0Ab"])
    def test_a_filter_that_filters_nothing_is_refused(self, house: House, query: str) -> None:
        answer = house.client.get(f"/api/v1/runs?{query}")
        assert answer.status_code == 422
        assert list(answer.json()["errors"]) == [query.partition("=")[0]]


@on_both
class TestLongLists:
    def test_comparisons(self, house: House) -> None:
        ids = {f"c_{number:08}" for number in range(1100)}
        with house.database.write() as session:
            for number, comparison_id in enumerate(sorted(ids)):
                # Many of one moment, as scripts make them.
                at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number // 10)
                row = Comparison(id=comparison_id, name="n", factor="sd", mode="parallel", created_at=at, change=1)
                session.add(row)
        shown = all_pages(house, "/comparisons", limit=100)
        assert [item["id"] for item in shown] == sorted(ids, reverse=True)

    def test_the_history_of_a_run(self, house: House) -> None:
        (run_id,) = launch(house, ["run"])
        with house.database.write() as session:
            for number in range(1200):
                session.add(RunEvent(run_id=run_id, at=datetime.now(UTC), attempt=1, kind="notice", text=str(number)))
                session.flush()
        texts = ["", *map(str, range(1200))]
        assert [item["text"] for item in all_pages(house, f"/runs/{run_id}/events", limit=500)] == texts
        newest_first = all_pages(house, f"/runs/{run_id}/events", limit=499, sort="-at")
        assert [item["text"] for item in newest_first] == texts[::-1]

    def test_the_queue(self, house: House) -> None:
        ids = launch(house, [f"run {number}" for number in range(530)])
        assert [item["id"] for item in all_pages(house, "/queue", limit=106)] == ids

    def test_checkpoints(self, house: House) -> None:
        (run_id,) = launch(house, ["run"])
        for number in range(7):
            house.checkpoint(run_id, f"runs/{run_id}/{number}.pt", content=None)
        late = house.checkpoint(run_id, "late.pt", content=None)
        with house.database.write() as session:
            session.get_one(Checkpoint, late).attempt = 2
        shown = all_pages(house, f"/runs/{run_id}/checkpoints", limit=2)
        assert len({item["id"] for item in shown}) == 8
        assert [item["attempt"] for item in shown] == [2, *[1] * 7]


def cursor(content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def tampered(real: str) -> Iterator[str]:
    """Whatever a client may make of a cursor that was its own once."""
    name, *values = json.loads(base64.urlsafe_b64decode(real + "=" * (-len(real) % 4)))
    yield from (
        "",
        "x",
        "%",
        "ä",
        "\0",
        "bnVsbA",
        real[:-1],
        real + "A",
        real + "=",
        real[::-1],
        f" {real}",
        "A" * 20_000,
    )
    yield from map(cursor, ("", "{", "[", "null", "5", "{}", "[]", '"text"', "\xff", f"[{'9' * 5000}]"))
    yield from map(cursor, ("[" * 7_000, "[" * 30_000))
    yield cursor([name])
    yield cursor([name, *values, 1])
    yield cursor([name + "x", *values])
    yield cursor([name, *values[::-1], None])
    odd = (None, True, False, [], {}, "", "x", "a\0b", "\ud800", 2**31, 2**63, 10**400, -1, -(2**63) - 1, 1.5)
    more = (float("nan"), float("inf"), "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01", "1e5")
    for at in range(len(values)):
        for value in (*odd, *more):
            yield cursor([name, *values[:at], value, *values[at + 1 :]])


@on_both
class TestCursors:
    @pytest.fixture
    def ask(self, house: House) -> Callable[[str, str], httpx.Response]:
        def ask(path: str, sent: str) -> httpx.Response:
            query = {"cursor": sent, "limit": 1, **_query_of(path)}
            return house.client.get(f"/api/v1{path.partition('?')[0]}", params=query)

        return ask

    def paths(self, house: House) -> list[str]:
        """Every list that has pages, each with more than one."""
        made = [house.api.post("/comparisons", {"config": {"dataset": "digits"}}, status=201) for _ in range(2)]
        run_id = str(made[0]["runs"][0]["id"])
        for number in range(2):
            house.checkpoint(run_id, f"{number}.pt", content=None)
        house.client.patch(f"/api/v1/runs/{run_id}", json={"name": "x"})
        house.api.post(f"/runs/{run_id}/pause")
        sorts = ("created_at", "name", "status", "best", "elapsed", "epoch", "progress", "change")
        runs = [f"/runs?sort={direction}{sort}" for sort in sorts for direction in ("", "-")]
        of_run = [f"/runs/{run_id}/{part}" for part in ("events?sort=at", "events?sort=-at", "checkpoints")]
        return [*runs, *of_run, "/comparisons", "/queue"]

    def test_a_tampered_one_is_refused_with_its_remedy(
        self, house: House, ask: Callable[[str, str], httpx.Response]
    ) -> None:
        for path in self.paths(house):
            real = house.api.get(path.partition("?")[0], limit=1, **_query_of(path))["next"]
            assert ask(path, real).status_code == 200
            for sent in tampered(real):
                answer = ask(path, sent)
                # What is of the right kind leads to some page; nothing else does.
                if answer.status_code == 200 and _is_plausible(sent, real):
                    continue
                assert answer.status_code == 422, (path, sent[:100], answer.text)
                assert list(answer.json()["errors"]) == ["cursor"], (path, sent[:100])

    def test_one_of_another_list_is_refused(self, house: House, ask: Callable[[str, str], httpx.Response]) -> None:
        paths = self.paths(house)
        cursors = {path: house.api.get(path.partition("?")[0], limit=1, **_query_of(path))["next"] for path in paths}
        for path in paths:
            for other, sent in cursors.items():
                answer = ask(path, sent)
                assert answer.status_code == (200 if other == path else 422), (path, other)
                assert other == path or "take it from `next`" in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("path", "values"),
        [
            ("/runs?sort=best", (float("nan"), float("inf"), float("-inf"))),
            ("/runs?sort=-elapsed", (float("nan"), float("inf"), float("-inf"))),
            ("/runs?sort=created_at", ("2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:59")),
            ("/comparisons", ("2026-01-01", "2026-01-01T00:00:00", "9999-12-31T23:59:59-23:59")),
        ],
    )
    def test_values_that_no_row_has_are_refused(
        self, house: House, ask: Callable[[str, str], httpx.Response], path: str, values: tuple[object, ...]
    ) -> None:
        """A number without end, a moment without its zone: the databases would compare them each in its own way."""
        self.paths(house)
        real = house.api.get(path.partition("?")[0], limit=1, **_query_of(path))["next"]
        name, first, *rest = json.loads(base64.urlsafe_b64decode(real + "=" * (-len(real) % 4)))
        assert ask(path, cursor([name, first, *rest])).status_code == 200
        for value in values:
            answer = ask(path, cursor([name, value, *rest]))
            assert (answer.status_code, list(answer.json().get("errors", ()))) == (422, ["cursor"]), value

    def test_one_in_another_spelling_is_refused(self, house: House, ask: Callable[[str, str], httpx.Response]) -> None:
        """Each has the very row in it, and none of them was `next` of any page."""
        launch(house, ["?" * length for length in (9, 10, 11, 12)])
        path, spellings, real = "/runs?sort=name", set(), None
        for _ in range(3):
            query = {"cursor": real} if real else {}
            real = house.api.get("/runs", sort="name", limit=1, **query)["next"]
            assert ask(path, real).status_code == 200
            content = base64.urlsafe_b64decode(real + "=" * (-len(real) % 4))
            spellings |= {cursor(content.decode() + " " * LONGEST_CURSOR), real.replace("_", "/"), f"{real}="}
            spellings |= {real + "=" * (-len(real) % 4), real[:-1] + chr(ord(real[-1]) + 1)} - {real}
            spellings.discard(real)
        assert len(spellings) >= 12
        for sent in spellings:
            answer = ask(path, sent)
            assert (answer.status_code, list(answer.json().get("errors", ()))) == (422, ["cursor"]), sent


def _query_of(path: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in path.partition("?")[2].split("&") if part)


def _is_plausible(sent: str, real: str) -> bool:
    """Is it of the same list, with values of the same kinds?"""
    one, other = (json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) for text in (sent, real))
    kinds = [{str: str, int: float, float: float}.get(type(value)) for value in one]
    return one[0] == other[0] and kinds == [{str: str, int: float, float: float}[type(value)] for value in other]
