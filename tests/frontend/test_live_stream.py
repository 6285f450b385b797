"""The tab's event stream against a server that says exactly what a test wants."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page

from tests.frontend.conftest import Streams

pytestmark = pytest.mark.browser

START = """
async (change) => {
  const { Live } = await import("/static/js/live.js");
  window.heard = [];
  window.snapshots = 0;
  window.change = change;
  window.live = new Live({ url: "/live", snapshot: async () => { window.snapshots += 1; return window.change; } });
  for (const kind of ["run", "points", "rewound", "reset", "state"]) {
    live.addEventListener(kind, ({ detail }) => heard.push([kind, detail?.id ?? live.state, detail?.data?.n ?? null]));
  }
  await live.start();
}
"""


def asked(streams: Streams) -> dict[str, str]:
    query = parse_qs(urlsplit(streams.asked.get(timeout=15)).query, keep_blank_values=True)
    return {name: values[0] for name, values in query.items()}


def heard(page: Page, kind: str) -> list[list[object]]:
    return [entry for entry in page.evaluate("heard") if entry[0] == kind]


def wait_for(page: Page, condition: str) -> None:
    page.wait_for_function(condition, timeout=15_000)


def test_the_stream_starts_at_the_snapshots_number(page: Page, streams: Streams) -> None:
    page.evaluate(START, 41)
    assert asked(streams) == {"since": "41", "runs": ""}


def test_events_of_one_number_are_all_known_by_it(page: Page, streams: Streams) -> None:
    page.evaluate(START, 5)
    asked(streams)
    streams.say('event: points\ndata: {"n": 1}\n\nevent: run\ndata: {"n": 2}\nid: 7\n\n')
    wait_for(page, "heard.filter(([kind]) => kind === 'run').length === 1")
    assert heard(page, "points") == [["points", 7, 1]]
    assert heard(page, "run") == [["run", 7, 2]]


def test_a_number_that_broke_off_in_the_middle_is_asked_for_again(page: Page, streams: Streams) -> None:
    page.evaluate(START, 5)
    asked(streams)
    streams.say('event: run\ndata: {"n": 1}\nid: 7\n\nevent: points\ndata: {"n": 2}\n\n')
    wait_for(page, "heard.length > 1")
    streams.break_off()
    assert asked(streams)["since"] == "7"
    assert heard(page, "points") == []
    streams.say('event: points\ndata: {"n": 2}\n\nevent: run\ndata: {"n": 3}\nid: 8\n\n')
    wait_for(page, "heard.filter(([kind]) => kind === 'run').length === 2")
    assert heard(page, "points") == [["points", 8, 2]]


def test_a_lost_connection_is_told_and_mended(page: Page, streams: Streams) -> None:
    page.evaluate(START, 5)
    asked(streams)
    streams.say('event: beat\ndata: {"change": 5, "time": "2026-01-01T00:00:00Z"}\n\n')
    wait_for(page, "live.state === 'live'")
    streams.break_off()
    assert asked(streams)["since"] == "5"
    wait_for(page, "live.state === 'live'")
    assert [entry[1] for entry in heard(page, "state")] == ["live", "lost", "live"]


def test_reset_loads_the_snapshot_again_and_goes_on_from_there(page: Page, streams: Streams) -> None:
    page.evaluate(START, 5)
    asked(streams)
    page.evaluate("window.change = 900")
    streams.say("event: reset\ndata: {}\nid: 899\n\n")
    assert asked(streams)["since"] == "900"
    wait_for(page, "heard.some(([kind]) => kind === 'reset')")
    assert page.evaluate("snapshots") == 2
    streams.break_off()


def test_watched_runs_are_asked_for_from_the_last_number_on(page: Page, streams: Streams) -> None:
    page.evaluate(START, 5)
    asked(streams)
    streams.say('event: run\ndata: {"n": 1}\nid: 12\n\n')
    wait_for(page, "heard.some(([kind]) => kind === 'run')")
    page.evaluate("() => { window.left = new AbortController(); return live.watch(['r_2', 'r_1'], left.signal); }")
    assert asked(streams) == {"since": "12", "runs": "r_1,r_2"}
    page.evaluate("left.abort()")
    assert asked(streams) == {"since": "12", "runs": ""}
    for _ in range(2):
        streams.break_off()


def test_a_second_tab_shares_the_stream_and_hears_only_what_it_does_not_know(page: Page, streams: Streams) -> None:
    page.evaluate(START, 5)
    asked(streams)
    streams.say('event: run\ndata: {"n": 1}\nid: 8\n\n')
    wait_for(page, "heard.some(([kind]) => kind === 'run')")
    other = page.context.new_page()
    other.goto("/")
    other.evaluate(START, 6)
    assert asked(streams)["since"] == "6"
    streams.break_off()
    streams.say('event: run\ndata: {"n": 1}\nid: 8\n\nevent: run\ndata: {"n": 2}\nid: 9\n\n')
    wait_for(other, "heard.filter(([kind]) => kind === 'run').length === 2")
    wait_for(page, "heard.filter(([kind]) => kind === 'run').length === 2")
    assert heard(page, "run") == [["run", 8, 1], ["run", 9, 2]]
    assert heard(other, "run") == [["run", 8, 1], ["run", 9, 2]]


def test_a_tab_far_behind_loads_its_view_anew_and_the_others_go_on(page: Page, streams: Streams) -> None:
    page.evaluate(START, 9000)
    asked(streams)
    streams.say('event: beat\ndata: {"change": 9000, "time": "2026-01-01T00:00:00Z"}\n\n')
    wait_for(page, "live.state === 'live'")
    other = page.context.new_page()
    other.goto("/")
    other.evaluate(
        START.replace("await live.start()", "const begun = live.start(); window.change = 9000; await begun"), 5
    )
    wait_for(other, "heard.some(([kind]) => kind === 'reset')")
    assert other.evaluate("snapshots") == 2
    assert page.evaluate("snapshots") == 1
    streams.break_off()
