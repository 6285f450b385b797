from __future__ import annotations

import io
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.engine.parts import tiny
from worker.engine.compare import page as pages
from worker.engine.compare import screen
from worker.engine.compare.arms import Arm, arms_of
from worker.engine.compare.outcome import results_of, verdict_on
from worker.engine.compare.page import page, thinned
from worker.engine.compare.running import End
from worker.engine.compare.screen import Screen
from worker.engine.compare.standing import line
from worker.engine.ports import NullControl
from worker.engine.sinks.fanout import FanOut
from worker.engine.sinks.history import HistoryFile
from worker.engine.sinks.summary import SummaryFile
from worker.engine.trainer import train

EVIL = "<script>alert('x')</script> & \"more\""


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> list[Arm]:
    """Both twins of one seed, trained as the command trains them."""
    found = arms_of(tiny(epochs=3, log_every=1), seeds=(0,), root=tmp_path_factory.mktemp("comparison"))
    for arm in found:
        folder = arm.folder
        folder.root.mkdir(parents=True)
        summary = SummaryFile(folder.summary, history=folder.history, config=arm.config)
        sink = FanOut([HistoryFile(folder.history), summary])
        summary.finish(train(arm.config, sink=sink, control=NullControl(), checkpoints=folder.checkpoints))
    return found


@pytest.fixture(scope="module")
def html(arms: list[Arm]) -> str:
    ends = {arms[0].key: End("completed"), arms[1].key: End("completed", EVIL)}
    results = results_of(arms, ends)
    return page(arms, results, verdict_on(results), told=EVIL)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]


def test_the_page_fetches_nothing_and_runs_nothing(html: str) -> None:
    tags = _Tags()
    tags.feed(html)
    assert tags.links == []
    assert "script" not in tags.names
    assert "url(" not in html
    assert "default-src 'none'" in unescape(html)


def test_what_others_wrote_is_escaped(html: str) -> None:
    assert EVIL not in html
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;more&quot;" in html


def test_every_curve_of_both_arms_is_drawn(html: str) -> None:
    assert len(re.findall(r'<path [^>]*class="arm-0"', html)) == 5
    # Only stochastic depth has a share of the compute.
    assert len(re.findall(r'<path [^>]*class="arm-1"', html)) == 6
    assert "no interval" in html


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_legible_on_a_phone(browser: Browser, html: str, tmp_path: Path, scheme: str) -> None:
    file = tmp_path / "report.html"
    file.write_text(html, encoding="utf-8")
    with browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme) as context:  # type: ignore[arg-type]
        shown = context.new_page()
        complaints: list[str] = []
        shown.on("console", lambda message: complaints.append(message.text))
        shown.goto(file.as_uri())
        assert complaints == []
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390
        letters = shown.evaluate(
            "Math.min(...[...document.querySelectorAll('svg text')].map(text => text.getBoundingClientRect().height))"
        )
        assert letters >= 10
        background = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(15, 16, 20)")


def test_a_curve_is_thinned_to_means_of_neighbours() -> None:
    points = [(float(x), float(x % 2)) for x in range(4 * pages.MOST_POINTS)]
    thin = thinned(points)
    assert len(thin) == pages.MOST_POINTS
    assert thin[0] == (1.5, 0.5)
    assert thinned(points[:5]) == points[:5]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_drawn_over_and_a_file_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "DRAWN_SECONDS", 0.0)
    terminal, file = _Terminal(), io.StringIO()
    for out in (terminal, file):
        shown = Screen(out)
        shown.show(lambda: ["one " * 100, "two"])
        shown.show(lambda: ["three", "four"])
        shown.say("done")
    written = terminal.getvalue()
    assert written.count("\x1b[2A\x1b[J") == 2
    assert max(len(text) for text in written.splitlines()) < 100
    # Ten seconds have not gone by.
    assert file.getvalue() == "done\n"


def test_a_line_tells_how_far_a_run_is(arms: list[Arm], tmp_path: Path) -> None:
    said = line(arms[1], wide=20)
    assert said.startswith("seed 0 sd             epoch 3.0/3")
    for part in ("loss ", "val/top1 ", "images/s", "compute saved", "ETA 0:00:00"):
        assert part in said
    waiting = arms_of(tiny(), seeds=(5,), root=tmp_path)[0]
    assert line(waiting, wide=0) == "seed 5 baseline  starting"
