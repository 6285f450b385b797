"""Small parts of the page: escaping, formats, addresses, colours, lists."""

from __future__ import annotations

import pytest

from tests.frontend.conftest import Run

pytestmark = pytest.mark.browser


def test_interpolated_text_never_becomes_markup(run: Run) -> None:
    shown = run(
        "html",
        """({ html, element }) => {
          const name = `<img src=x onerror="window.hit=1">"' & co`;
          const node = element(html`<p title="${name}">${name}${[html`<b>${name}</b>`]}</p>`);
          return [node.title, node.textContent, node.querySelectorAll("img").length, node.children.length];
        }""",
    )
    name = '<img src=x onerror="window.hit=1">"\' & co'
    assert shown == [name, name + name, 0, 1]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.42, "0.4 s"), (12.3, "12 s"), (59.96, "1m 00s"), (185, "3m 05s"), (8040, "2h 14m"), (273600, "3d 4h")],
)
def test_durations_read_as_a_person_says_them(run: Run, seconds: float, shown: str) -> None:
    assert run("format", "(m, seconds) => m.duration(seconds)", seconds) == shown


@pytest.mark.parametrize(
    ("call", "value", "shown"),
    [
        ("signed", -1.346, "−1.35"),
        ("signed", 0.27, "+0.27"),
        ("signed", 0, "+0.00"),
        ("signed", -0.001, "+0.00"),
        ("number", -0.53211, "−0.5321"),
        ("number", -12000, "−12,000"),
        ("number", 0.000012, "1.20e−5"),
        ("percent", -0.5, "−0.50 %"),
        ("fixed", -0.5, "−0.500"),
    ],
)
def test_a_minus_is_that_of_print(run: Run, call: str, value: float, shown: str) -> None:
    assert run("format", "(m, [call, value]) => m[call](value)", [call, value]) == shown


@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_is_not_there_is_a_dash(run: Run, value: float | None) -> None:
    assert run("format", "(m, value) => [m.percent(value), m.duration(value), m.number(value)]", value) == ["–"] * 3


@pytest.mark.parametrize(
    ("path", "page_name", "params"),
    [
        ("/", "runs", {}),
        ("/runs", "runs", {}),
        ("/runs/r_1", "run", {"id": "r_1"}),
        ("/new", "new", {}),
        ("/compare", "compare", {}),
        ("/comparisons/c_9", "comparison", {"id": "c_9"}),
        ("/nowhere/else", "missing", {}),
        ("/runs/%E0%A4%A", "run", {"id": "%E0%A4%A"}),
    ],
)
def test_addresses_lead_to_pages(run: Run, path: str, page_name: str, params: dict[str, str]) -> None:
    assert run("router", "(m, path) => m.match(path)", path) == {"page": page_name, "params": params}


def test_a_pair_has_two_colours_that_are_the_same_everywhere(run: Run) -> None:
    def member(seed: int, arm: str) -> dict[str, object]:
        return {"id": f"r_{seed}{arm}", "comparison_id": f"c_{seed}", "arm": arm, "config": {"seed": seed}}

    pairs = [[member(seed, "baseline"), member(seed, "sd")] for seed in range(40)]
    for pair in pairs:
        first, second = run("palette", "(m, pair) => pair.map(m.colourOf)", pair)
        assert first != second
        assert run("palette", "(m, pair) => pair.map(m.colourOf)", pair) == [first, second]


def test_runs_that_share_a_chart_have_different_colours(run: Run) -> None:
    runs: list[dict[str, object]] = [
        {"id": f"r_{n}", "comparison_id": None, "arm": None, "config": {}} for n in range(12)
    ]
    assert (
        len(set(run("palette", "(m, runs) => [...m.distinctLines(runs).values()].map(({ colour }) => colour)", runs)))
        == 12
    )


@pytest.mark.parametrize(("count", "distinct"), [(13, 13), (36, 36), (48, 48), (100, 48)])
def test_lines_of_one_colour_are_told_apart_by_their_dashes(run: Run, count: int, distinct: int) -> None:
    runs: list[dict[str, object]] = [
        {"id": f"r_{n}", "comparison_id": None, "arm": None, "config": {}} for n in range(count)
    ]
    lines = run("palette", "(m, runs) => [...m.distinctLines(runs).values()]", runs)
    assert len({(line["colour"], line["dash"]) for line in lines}) == distinct
    assert len({line["colour"] for line in lines}) == 12
    assert [line["pattern"] for line in lines[:25]] == [0] * 12 + [1] * (min(count, 24) - 12) + [2] * (count > 24)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (12, ""),
        (13, "13 runs share 12 colours; dashes tell those of one colour apart. Point at a line to see its run."),
        (48, "48 runs share 12 colours; dashes tell those of one colour apart. Point at a line to see its run."),
        (
            100,
            "100 runs share 12 colours and 4 patterns of lines, so some look alike. Point at a line to see its run.",
        ),
    ],
)
def test_that_colours_are_shared_is_said(run: Run, count: int, said: str) -> None:
    assert run("palette", "(m, count) => m.sharedLines(count)", count) == said


def listed(name: str, **more: object) -> dict[str, object]:
    config = {"dataset": "digits", "depth": 20, "sd": False}
    progress = {"step": 0, "steps": 10, "epoch": 0, "epochs": 1}
    return {
        "id": name,
        "name": name,
        "status": "queued",
        "tags": [],
        "notes": "",
        "config": config,
        "progress": progress,
        "best": None,
        "created_at": f"2026-01-01T00:00:0{len(name)}Z",
    } | more


def test_a_status_selects_the_runs_that_have_it(run: Run) -> None:
    runs = [listed("a"), listed("bb"), listed("ccc", status="failed")]
    find = "(m, [runs, view]) => m.select(runs, view).map(run => run.id)"
    assert run("run-list", find, [runs, {"status": "failed"}]) == ["ccc"]
    assert run("run-list", find, [runs, {"status": ""}]) == ["a", "bb", "ccc"]


def test_runs_without_a_result_come_last_when_the_best_is_first(run: Run) -> None:
    runs = [listed("a"), listed("bb", best={"val/top1": 90.0}), listed("ccc", best={"val/top1": 99.0})]
    assert run("run-list", "(m, runs) => m.sorted(runs, '-best').map(run => run.id)", runs) == ["ccc", "bb", "a"]


def test_rows_that_move_keep_the_focus(run: Run) -> None:
    order = run(
        "keyed",
        """({ arrange }) => {
          const list = document.body.appendChild(document.createElement("div"));
          const button = (text) => Object.assign(document.createElement("button"), { textContent: text });
          const [a, b, c] = ["a", "b", "c"].map(button);
          arrange(list, [a, b, c]);
          c.focus();
          arrange(list, [c, a]);
          return [list.textContent, document.activeElement.textContent];
        }""",
    )
    assert order == ["ca", "c"]


def test_older_news_of_a_run_does_not_replace_newer(run: Run) -> None:
    status = run(
        "store",
        """({ RunStore }) => {
          const runs = new RunStore();
          runs.put({ id: "r", change: 9, status: "paused" });
          runs.put({ id: "r", change: 8, status: "running" });
          return runs.get("r").status;
        }""",
    )
    assert status == "paused"


def test_a_deleted_run_does_not_come_back_with_an_answer_that_was_late(run: Run) -> None:
    held = run(
        "store",
        "({ RunStore }) => { const runs = new RunStore(); runs.put({ id: 'r', change: 1 }); runs.remove('r'); "
        "runs.put({ id: 'r', change: 2 }); return runs.all().length; }",
    )
    assert held == 0


SNAPSHOT = """
async ({ RunStore }, { held, fresh, since }) => {
  const runs = new RunStore();
  held.forEach((run) => runs.put(run));
  runs.load(fresh, { since });
  return [runs.all().map((run) => run.id).sort(), runs.isComplete];
}
"""


def at(second: int, **more: object) -> dict[str, object]:
    created_at = f"2026-01-01T00:00:{second:02d}Z"
    return {"id": f"r{second}", "change": 1, "status": "completed", "created_at": created_at} | more


def test_a_snapshot_of_all_runs_forgets_those_that_are_gone(run: Run) -> None:
    held = run("store", SNAPSHOT, {"held": [at(1), at(5)], "fresh": [at(9)], "since": None})
    assert held == [["r9"], True]


def test_a_snapshot_of_the_newest_runs_says_nothing_of_older_ones(run: Run) -> None:
    held = [at(1), at(2, status="running"), at(6), at(9)]
    found = run("store", SNAPSHOT, {"held": held, "fresh": [at(9), at(5)], "since": at(5)["created_at"]})
    assert found == [["r1", "r5", "r9"], False], "of those before, what was running was not among the active any more"


FETCHED = """
async ({ loadRuns }, total) => {
  const { RunStore } = await import("/static/js/store.js");
  const runs = new RunStore();
  const make = (n) => ({
    id: `r${n}`, change: 1, status: n === 3 ? "running" : "completed",
    created_at: new Date(1e12 + n * 1000).toISOString(),
  });
  const newest = Array.from({ length: total }, (_, n) => make(total - 1 - n));
  const asked = [];
  const api = {
    runs: async ({ status, cursor = 0, limit }) => {
      if (status) return { items: newest.filter((run) => status.split(",").includes(run.status)), next: null };
      const next = cursor + limit < total ? cursor + limit : null;
      return { items: newest.slice(cursor, cursor + limit), next, change: 7 + cursor };
    },
    runsOf: async (ids) => {
      asked.push(...ids);
      const known = newest.filter((run) => ids.includes(run.id));
      return { runs: known, missing: ids.filter((id) => !known.some((run) => run.id === id)) };
    },
  };
  runs.need(["r1", "r1100", "gone"], new AbortController().signal);
  const change = await loadRuns({ api, runs });
  const holds = (id) => Boolean(runs.get(id));
  return [change, runs.all().length, holds("r1"), holds("r2"), holds("r3"), asked, runs.wasDeleted("gone")];
}
"""


def test_beyond_the_newest_runs_those_are_fetched_that_are_active_or_shown(run: Run) -> None:
    assert run("snapshot", FETCHED, 1200) == [7, 1002, True, False, True, ["r1", "gone"], True]
    assert run("snapshot", FETCHED, 30) == [7, 30, True, True, True, [], False]


def test_the_same_launch_keeps_its_key_and_another_gets_its_own(run: Run) -> None:
    keys = run(
        "launch",
        "({ keyKeeper }) => { let n = 0; const keyOf = keyKeeper(() => ++n); "
        "return [keyOf({a: 1}), keyOf({a: 1}), keyOf({a: 2})]; }",
    )
    assert keys == [1, 1, 2]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/Street_Signs/", "street-signs"),
        ("/data/2026.images", "2026-images"),
        ("/data/__x__", "x"),
        ("/", ""),
        ("/数字", ""),
        ("/" + "a" * 63 + "-b", "a" * 63),
    ],
)
def test_a_folder_suggests_a_name_that_it_may_have(run: Run, path: str, name: str) -> None:
    assert run("components/register-dialog", "(m, path) => m.slugOf(path)", path) == name


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (1, "epochs", "epoch"),
        (2, "epochs", "epochs"),
        (1, "batches", "batch"),
        (1, "px", "px"),
        (0.5, "epochs", "epochs"),
    ],
)
def test_a_unit_is_as_it_stands_behind_its_number(run: Run, value: float, unit: str, shown: str) -> None:
    assert run("format", "({ unitOf }, [value, unit]) => unitOf(value, unit)", [value, unit]) == shown


@pytest.mark.parametrize(
    ("text", "number"), [("1e400", "1e400"), ("-1e999", "-1e999"), ("1e3", 1000), ("0.1", 0.1), ("0-4", "0-4")]
)
def test_what_no_number_holds_goes_to_the_service_as_it_was_typed(run: Run, text: str, number: object) -> None:
    field = {"kind": "number", "isNullable": True, "choices": []}
    assert run("form", "({ settingOf }, [field, text]) => settingOf(field, text)", [field, text]) == number
