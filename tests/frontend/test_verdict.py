"""The page shows the verdict that the service words, and results of whole runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.evidence.test_verdict import pair
from tests.frontend.conftest import Run
from worker.contract.plan import Plan, Stopping
from worker.evidence.verdict import Design, verdict_of

pytestmark = pytest.mark.browser

SHOWN = """
({ verdict }, comparison) => {
  const place = document.body.appendChild(document.createElement("div"));
  return import("/static/js/html.js").then(({ fill }) => fill(place, verdict(comparison, 4)).innerText);
}
"""


PLANNED = {
    "id": "c_1",
    "plan": Plan().model_dump(mode="json"),
    "plan_sentence": "Plan: is there a difference?",
    "runs": [{"id": f"r_{arm}", "seed": 0, "arm": arm} for arm in ("baseline", "sd")],
    "deviations": [],
}


def shown(run: Run, *pairs: Any, plan: Plan | None = None, **more: Any) -> tuple[dict[str, Any], str]:
    plan = plan or Plan()
    found = verdict_of([one for runs in pairs for one in runs], Design(plan=plan)).model_dump(mode="json")
    told = {"headline": found["headline"], "verdict": found, **PLANNED, "plan": plan.model_dump(mode="json")}
    return found, str(run("components/verdict", SHOWN, told | more))


def test_three_pairs_that_differ_in_sign_cannot_tell(run: Run) -> None:
    verdict, text = shown(run, pair(0, 0.3), pair(1, -0.4), pair(2, 0.9))
    assert "(95 % interval −1.35 to +1.88)" in verdict["headline"]
    for sentence in (verdict["headline"], verdict["time_sentence"], *verdict["sentences"]):
        assert sentence in text
    for tile in verdict["tiles"]:
        for part in tile.values():
            assert part in text
    assert "more top-1" not in text
    assert "80 ms" in text


def test_a_difference_has_one_sign_in_sentences_tiles_and_table(run: Run) -> None:
    _, text = shown(run, pair(0, -0.3), pair(1, -0.4), pair(2, -0.9))
    assert text.count("−0.53 points") == 4
    assert [sign + "0.40" in text.split() for sign in "−-"] == [True, False]
    assert not re.search(r"(?<!\w)-\d| - ", text)


def test_a_ratio_that_skipping_cannot_explain_is_a_warning(run: Run) -> None:
    _, text = shown(run, pair(0, 0.3, step=0.067))
    assert "Skipping cannot explain that" in text
    warnings = run("components/verdict", "() => document.querySelectorAll('.callout--warning').length")
    assert warnings == 1


def test_of_several_arms_each_ratio_that_skipping_cannot_explain_is_a_warning(run: Run) -> None:
    verdict, _ = shown(run, pair(0, 0.3, step=0.067))
    (unexplained,) = verdict["contrasts"]
    explained = unexplained | {"arm": "pL 0.8", "speed": unexplained["speed"] | {"is_explained": True}}
    several = verdict | {"contrasts": [explained, unexplained | {"arm": "pL 0.5"}], "time_sentence": ""}
    text = run("components/verdict", SHOWN, {"headline": "", "verdict": several, **PLANNED})
    assert f"pL 0.5: {unexplained['speed']['sentence']}" in text
    assert "pL 0.8: " not in text
    # In the tile of the pair, and in the row of that arm alone.
    assert text.count("not explained by skipping") == 2


def test_before_a_pair_has_completed_the_page_says_what_the_service_says(run: Run) -> None:
    told = {"headline": "No seed has ended with a value of every arm.", "verdict": None}
    assert run("components/verdict", SHOWN, told) == told["headline"]


def test_a_legend_tells_of_an_arm_what_its_whole_runs_came_to(run: Run) -> None:
    """The last value of a mean curve is as much the outcome of chance as that of one run."""
    text = run(
        "charts",
        """(m, all) => {
          const chart = m.COMPARED.find(({ metric }) => metric === "images_per_second");
          return m.told({ values: [370] }, chart, all.map((results) => ({ results })), { smoothing: 0 });
        }""",
        [{"images_per_second": 150.0}, {"images_per_second": 160.0}, {"images_per_second": None}],
    )
    assert text == "median 155"


RESULTS = {"images_per_second": 154.0, "compute": 0.744, "depth": 6.4}


@pytest.mark.parametrize(
    ("metric", "value", "told"),
    [
        ("images_per_second", 370.0, "median 154"),
        ("sd/compute", 0.578, "mean 74.4 %"),
        ("sd/depth", 4.0, "mean 6.4"),
        ("val/top1", 98.61, "98.61 %"),
    ],
)
@pytest.mark.parametrize("charts", ["CHARTS", "COMPARED"])
def test_a_legend_tells_of_the_whole_run_where_a_single_report_is_chance(
    run: Run, charts: str, metric: str, value: float, told: str
) -> None:
    text = run(
        "charts",
        f"""(m, [metric, value, results]) => {{
          const has = (chart) => chart.metric === metric || chart.metrics?.some(([name]) => name === metric);
          return m.told({{ values: [value] }}, m.{charts}.find(has), [{{ results }}], {{ smoothing: 0 }});
        }}""",
        [metric, value, RESULTS],
    )
    assert text == told


def test_the_legend_of_an_unknown_metric_says_that_it_is_the_last_value(run: Run) -> None:
    text = run("charts", "m => m.told({ values: [1, 0.5] }, m.otherCharts(['gpu/memory'])[0], [{}], {smoothing: 0})")
    assert text == "last 0.5"


@pytest.mark.parametrize(
    ("chart", "told"), [("loss", "raw 0.5"), ("lr", "0.5"), ("throughput", "median 154"), ("gpu", "last raw 0.5")]
)
def test_beside_a_smoothed_curve_the_legend_says_that_its_value_is_not(run: Run, chart: str, told: str) -> None:
    text = run(
        "charts",
        """(m, [key, results]) => {
          const chart = [...m.CHARTS, ...m.otherCharts(["gpu"])].find((one) => one.key === key);
          return m.told({ values: [1, 0.5] }, chart, [{ results }], { smoothing: 0.6 });
        }""",
        [chart, RESULTS],
    )
    assert text == told


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [(0.744, "share", "74.4 %"), (81.72, "ms", "81.7 ms"), (1250.0, "ms", "1.25 s"), (154.0, "blocks", "154 blocks")],
)
def test_results_are_told_with_their_unit(run: Run, value: float, unit: str, told: str) -> None:
    assert run("format", "(m, [value, unit]) => m.measured(value, unit)", [value, unit]) == told


def test_what_departed_from_the_plan_is_told_with_its_time(run: Run) -> None:
    deviation = {"at": "2026-11-26T12:00:00Z", "field": "seeds", "sentence": "seeds: added 3"}
    _, text = shown(run, pair(0, 0.3), pair(1, 0.5), deviations=[deviation])
    assert re.search(r"Changed after the first run had started, .*2026.*: seeds: added 3", text)


def test_each_arm_has_its_means_and_its_place_beside_the_compute(run: Run) -> None:
    verdict, text = shown(run, pair(0, 0.3), pair(1, 0.5))
    assert [arm["seeds"] for arm in verdict["arms"]] == [2, 2]
    assert "90.40 %" in text
    assert "Last top-1 against the share of full compute" in text
    assert "75.0 %" in text


def test_a_plan_that_looks_after_each_seed_shows_its_evidence_and_how_far_it_is(run: Run) -> None:
    plan = Plan(stopping=Stopping.SEQUENTIAL, max_seeds=9)
    _, text = shown(run, pair(0, 1.0), pair(1, 1.2), pair(2, 0.9), plan=plan)
    assert "decided at 20. 3 of at most 9 seeds are in." in text
    assert "Evidence" not in shown(run, pair(0, 1.0), pair(1, 1.2))[1]


def test_evidence_grows_from_the_left_to_its_line(run: Run) -> None:
    looks = [{"evidence": value} for value in (1.0, 3.0, 30.0)]
    places = run("evidence-scale", PATH, looks)
    xs, ys = zip(*(map(float, place.split(",")) for place in places["path"].split()), strict=True)
    assert xs == (0, 50, 100)
    assert ys[0] > ys[1] > places["line"] > ys[2]


PATH = """
({ evidenceScale, heightOf, pathOf }, looks) => {
  const scale = evidenceScale([looks], 20);
  return { path: pathOf(looks, scale), line: heightOf(20, scale) };
}
"""


def test_images_are_told_with_how_many_networks_are_right(run: Run) -> None:
    image = {
        "index": 7,
        "name": None,
        "label": "<3>",
        "right": 5,
        "reference_right": 1,
        "p_adjusted": None,
        "run": "r_1",
    }
    images = {
        "seeds": [0, 1],
        "pairs": [{"seed": 0, "won": 12, "lost": 3, "difference": 2.5, "low": 0.3, "high": 4.7, "p": 0.035}],
        "most_won": [image],
        "most_lost": [],
        "sentences": ["What the images say."],
    }
    contrast = {"arm": "sd", "reference": "baseline", "images": images, "images_left_out": ["seed 2: away"]}
    text, source = run("components/images", IMAGES, {"contrasts": [contrast]})
    for part in (
        "What the images say.",
        "seed 2: away",
        "+2.50",
        "+0.30 to +4.70",
        "0.035",
        "<3>",
        "Stochastic depth 5/2",
    ):
        assert part in text
    assert source.endswith("/runs/r_1/validation-images/7")


IMAGES = """
({ images }, verdict) => {
  const place = document.body.appendChild(document.createElement("div"));
  return import("/static/js/html.js").then(({ fill }) => {
    const text = fill(place, images(verdict)).innerText;
    return [text, place.querySelector("img").src];
  });
}
"""
