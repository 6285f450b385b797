"""The report of a comparison: one page that says all of it and needs nothing beside itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from backend.client import Client
from tests.api.house import QUICK, House, on_both
from worker.evidence.table import read_study

HOSTILE = """<script>window.hit = 1</script>"'&<img src=x onerror="window.hit = 1">"""
VOID = {"meta", "line"}
FACTS = {"device": "cpu (A)", "threads": 2, "parameters": 272474, "versions": {"torch": "2.14.1"}}


class Balanced(HTMLParser):
    """The texts of a page, whose elements have to close in the order in which they open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def launched(house: House, **body: Any) -> Any:
    return house.api.post("/comparisons", {"config": QUICK} | body, status=201)


def finished(house: House, **body: Any) -> Any:
    """A comparison whose runs are all completed; stochastic depth loses half a point and saves a fifth of the time."""
    made = launched(house, **body)
    for run in made["runs"]:
        is_sd = run["arm"] == "sd"
        last = 98.0 - 0.5 * is_sd
        compute = {"sd_compute": lambda step: 0.7 if step % 2 else 0.8} if is_sd else {}
        speed = 160.0 if is_sd else 128.0
        steps = {"train_loss": lambda step: 2 / step, "images_per_second": lambda _, speed=speed: speed}
        house.move(run["id"], "queued", facts=FACTS, steps_per_epoch=10)
        house.points(run["id"], range(1, 31), **steps, **compute)
        house.points(run["id"], range(10, 31, 10), val_top1=lambda step, end=last: end - (30 - step), val_loss=float)
        house.move(run["id"], "completed", elapsed_seconds=100.0, epoch=3.0)
    return made


def report(house: House, comparison: Any) -> Balanced:
    answer = house.client.get(f"/api/v1/comparisons/{comparison['id']}/report.html")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return Balanced(answer.text)


@on_both
class TestWhatItTells:
    def test_the_verdict_is_that_of_the_interface(self, house: House) -> None:
        made = finished(house, seeds=[3, 4])
        verdict = house.api.get(f"/comparisons/{made['id']}")["verdict"]
        assert (verdict["mean_difference"], verdict["mean_time_ratio"]) == (-0.5, 0.8)
        text = report(house, made).text
        for sentence in (verdict["headline"], verdict["time_sentence"], *verdict["sentences"]):
            assert sentence in text
        assert "skipping can save at most 25 %, and saved 20 %" in text
        for tile in verdict["tiles"]:
            assert {tile["title"], tile["value"], tile["remark"]} <= set(text.splitlines())

    def test_a_minus_is_that_of_print(self, house: House) -> None:
        text = report(house, finished(house, seeds=[3, 4])).text
        assert "−0.50" in text.splitlines()
        assert "SD − baseline: −0.50 points" in text
        assert not re.search(r"(?<![\w-])-\d| - ", text)

    def test_every_run_has_its_row(self, house: House) -> None:
        made = finished(house, seeds=[3, 4])
        texts = report(house, made).texts
        # Rows, legend and results by arm; stochastic depth is a setting too, and beside its difference, with a title.
        assert (texts.count("Baseline"), texts.count("Stochastic depth")) == (4, 4 + 1 + 2)
        assert "98.00 % (epoch 3)" in texts
        assert "97.50 % (epoch 3)" in texts
        assert (texts.count("800 ms"), texts.count("1 s"), texts.count("800 ms (800 to 800)")) == (3, 3, 2)
        # Training losses are of the last epoch, and not of the last report.
        assert texts.count(f"{sum(2 / step for step in range(21, 31)) / 10:.4g}") == 4

    def test_settings_are_told_with_what_their_defaults_come_to(self, house: House) -> None:
        texts = report(house, finished(house, seeds=[3, 4])).texts
        told = dict(pairwise(texts))
        assert told["Stochastic depth"] == "baseline: no; stochastic depth: yes"
        assert (told["Seed"], told["Learning rate"], told["Batch"]) == ("3, 4", "0.05", "128 images")
        assert (told["parameters"], told["torch"]) == ("272,474", "2.14.1")

    def test_curves_have_a_line_for_each_run(self, house: House) -> None:
        page = report(house, finished(house, seeds=[3, 4]))
        charts = [attributes["aria-label"] for tag, attributes in page.elements if tag == "svg"]
        assert [label.partition(";")[0] for label in charts if not label.startswith("Stochastic depth: ")] == [
            "Validation top-1",
            "Validation loss",
            "Training loss",
        ]
        paths = [attributes["class"] for tag, attributes in page.elements if tag == "path"]
        assert paths == ["arm-0", "arm-1", "arm-0", "arm-1"] * 3
        assert page.text.count("Stochastic depth, seed 4") == 3


class TestBeforeTheEnd:
    def test_it_says_how_far_it_has_come(self, house: House) -> None:
        made = launched(house)
        house.points(made["runs"][0]["id"], range(1, 5), train_loss=float)
        house.move(made["runs"][0]["id"], "running")
        text = report(house, made).text
        assert "This comparison is not finished: of 2 runs 1 running, 1 queued." in text
        assert "No seed has ended with a value of every arm" in text
        assert text.count("Nothing was measured.") == 2

    def test_a_pair_that_is_done_is_told_while_others_go_on(self, house: House) -> None:
        made = launched(house, seeds=[0, 1])
        for run in made["runs"][:2]:
            house.move(run["id"], "completed", latest={"val/top1": 90.0}, elapsed_seconds=10.0)
        text = report(house, made).text
        assert "not finished: of 4 runs 2 completed, 2 queued" in text
        assert "One seed cannot tell stochastic depth from the baseline; it takes two or more." in text
        assert "Times are not compared. Seed 0: too few steps of a run were reported" in text

    def test_runs_that_were_deleted_are_left_out(self, house: House) -> None:
        made = finished(house)
        house.client.delete(f"/api/v1/runs/{made['runs'][0]['id']}")
        page = report(house, made)
        assert [attributes["class"] for tag, attributes in page.elements if tag == "path"] == ["arm-1"] * 3
        assert "No seed has ended with a value of every arm" in page.text

    def test_a_configuration_of_another_version_is_told_as_it_is(self, house: House) -> None:
        made = finished(house)
        for run in made["runs"]:
            house.move(run["id"], "queued", config=house.api.run(run["id"])["config"] | {"epochs": -1})
        texts = report(house, made).texts
        assert dict(pairwise(texts))["Learning rate"] == "not set"


class TestTheFile:
    def test_its_name_says_what_it_is(self, house: House) -> None:
        def named(name: str) -> str:
            made = launched(house, name=name)
            answer = house.client.get(f"/api/v1/comparisons/{made['id']}/report.html")
            return str(answer.headers["Content-Disposition"]).replace(made["id"], "ID")

        assert named("Digits, 3 seeds") == 'inline; filename="resdrop-Digits-3-seeds-ID.html"'
        assert named('a"; filename=../b') == 'inline; filename="resdrop-a-filename-b-ID.html"'
        assert named("数字") == (
            "inline; filename=\"resdrop-ID.html\"; filename*=UTF-8''resdrop-%E6%95%B0%E5%AD%97-ID.html"
        )
        assert len(named("x" * 200)) < 140

    def test_it_may_fetch_and_run_nothing(self, house: House) -> None:
        answer = house.client.get(f"/api/v1/comparisons/{finished(house)['id']}/report.html")
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert not re.search(r"https?:|//|<script|<link|<img|url\(", answer.text)
        assert len(answer.content) < 60_000

    def test_a_comparison_that_is_not_there(self, house: House) -> None:
        answer = house.client.get("/api/v1/comparisons/c_nothing/report.html")
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"

    def test_the_python_client_gets_it(self, house: House) -> None:
        made = launched(house, name="by the client")
        with house.served() as url, Client(url) as client:
            assert "by the client" in client.comparison_report(made["id"])

    @pytest.mark.browser
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [1440, 390])
    def test_it_opens_from_the_disk(
        self, house: House, browser: Browser, tmp_path: Path, width: int, scheme: str
    ) -> None:
        made = finished(house, name=HOSTILE, seeds=[0, 1])
        file = tmp_path / "report.html"
        file.write_bytes(house.client.get(f"/api/v1/comparisons/{made['id']}/report.html").content)
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
        )
        page = context.new_page()
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(file.as_uri())
        assert (asked, complaints) == ([file.as_uri()], [])
        assert page.locator("h1").inner_text() == HOSTILE
        assert page.evaluate("window.hit") is None
        assert page.locator("img, script").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(15, 16, 20)" if scheme == "dark" else "rgb(255, 255, 255)"
        )
        letters = page.locator("svg text").first.evaluate(
            "text => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a"
        )
        assert letters >= 9
        context.close()


class TestArms:
    ARMS = (
        {"name": "baseline", "settings": {"sd": False}},
        {"name": "pL 0.8", "settings": {"sd": True, "pL": 0.8}},
        {"name": "Wider <i>", "settings": {"batch": 256}},
    )

    def ended(self, house: House, **more: Any) -> Any:
        body = {"config": QUICK, "arms": self.ARMS, "seeds": [0, 1, 2], "mode": "parallel"} | more
        made = house.api.post("/comparisons", body, status=201)
        for run in made["runs"]:
            top1 = 90 + run["seed"] + (0.4 + 0.1 * run["seed"]) * (run["arm"] == "pL 0.8")
            house.points(run["id"], range(1, 5), **{"train_loss": float})
            house.move(run["id"], "completed", latest={"val/top1": top1, "val/loss": 0.5}, elapsed_seconds=9.0)
        return made

    def test_every_arm_has_its_name_and_colour(self, house: House) -> None:
        page = report(house, self.ended(house))
        assert "pL 0.8, Wider <i> against baseline, 9 runs, in parallel" in page.text
        paths = [attributes["class"] for tag, attributes in page.elements if tag == "path"]
        assert set(paths) == {"arm-0", "arm-1", "arm-2"}
        marks = [
            attributes["class"] for tag, attributes in page.elements if attributes.get("class", "").startswith("mark")
        ]
        assert marks == ["mark arm-0", "mark arm-1", "mark arm-2"]
        # A name stays as it was given, whatever stands before it.
        assert "pL 0.8: yes" in page.text

    def test_differences_are_drawn_with_a_dot_for_each_seed(self, house: House) -> None:
        page = report(house, self.ended(house))
        drawn = [attributes for tag, attributes in page.elements if attributes.get("class") == "difference"]
        assert [one["aria-label"].split(";")[0] for one in drawn] == ["pL 0.8: +0.50, +0.25 to +0.75"]
        dots = [attributes for tag, attributes in page.elements if tag == "circle"]
        assert len(dots) == 6
        # Dots of like values stand above one another.
        assert len({(dot["cx"], dot["cy"]) for dot in dots}) == 6
        assert (
            "Difference to Baseline in top-1, in points: a dot for each seed, the mean with its interval" in page.text
        )

    def test_a_margin_is_drawn_and_named(self, house: House) -> None:
        page = report(house, self.ended(house, plan={"question": "non_inferiority", "margin": 0.5}))
        lines = {attributes["class"]: float(attributes["x1"]) for tag, attributes in page.elements if tag == "line"}
        assert lines["margin"] < lines["zero"]
        assert "dashed is the margin of 0.5" in page.text

    def test_a_deleted_arm_is_named_as_it_was(self, house: House) -> None:
        made = self.ended(house)
        house.client.delete(f"/api/v1/runs/{made['runs'][1]['id']}")
        assert "Deleted since the launch: pL 0.8, seed 0." in report(house, made).text


def test_the_results_are_a_table_that_evidence_reads(house: House) -> None:
    comparison = launched(
        house, seeds=[0, 1, 2], arms=[{"name": "=HYPERLINK", "settings": {"sd": True}}, {"name": "b"}]
    )
    for index, run in enumerate(comparison["runs"][:5]):
        house.move(run["id"], "completed", latest={"val/top1": 90.0 + index + run["seed"] / 3, "val/top5": 99.0})
    house.move(comparison["runs"][5]["id"], "failed")
    text = house.client.get(f"/api/v1/comparisons/{comparison['id']}/results.csv").text
    study = read_study(text)
    assert study.arms == ("'=HYPERLINK", "b")
    assert study.complete == (0, 1)
    assert [result.told_ending.value for result in study.results][-1] == "failed"
    assert study.values("b", [0]) == [91.0]


def test_the_report_ends_with_methods(house: House) -> None:
    comparison = launched(house, seeds=[0, 1])
    page = house.client.get(f"/api/v1/comparisons/{comparison['id']}/report.html").text
    assert "Methods, to be pasted into a paper" in Balanced(page).text
