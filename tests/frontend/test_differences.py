"""The plot of differences: where dots, intervals and lines stand."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.frontend.conftest import Run
from worker.evidence.study_verdict import Contrast
from worker.report.differences import difference_range

pytestmark = pytest.mark.browser


def contrast(*values: float, low: float | None = None, high: float | None = None, **more: Any) -> dict[str, Any]:
    differences = [{"seed": seed, "value": value} for seed, value in enumerate(values)]
    told = {"arm": "pL 0.8", "reference": "baseline", "conclusion": "undecided", "mean": sum(values) / len(values)}
    texts = {"mean_text": "+0.27 points", "interval_text": "95 % interval"}
    return {"differences": differences, "low": low, "high": high} | told | texts | more


def scale(run: Run, contrasts: list[dict[str, Any]], margin: float | None = None) -> Any:
    return run(
        "difference-scale", "(m, [contrasts, margin]) => m.differenceScale(contrasts, margin)", [contrasts, margin]
    )


def test_the_axis_holds_nothing_every_dot_the_margin_and_every_interval(run: Run) -> None:
    found = scale(run, [contrast(0.3, 0.5, low=-0.1, high=0.9), contrast(-0.2, low=None, high=None)], -0.6)
    assert found["low"] < -0.6 < 0.9 < found["high"]
    assert 0 in found["ticks"]
    assert found["ticks"] == [-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6, 0.8] or len(found["ticks"]) <= 8


def test_an_interval_many_times_as_wide_as_the_dots_does_not_squeeze_them(run: Run) -> None:
    found = scale(run, [contrast(0.3, 0.5, low=-50.0, high=50.0)])
    assert found["high"] - found["low"] < 3


@pytest.mark.parametrize("values", [(0.0,), (0.0, 0.0), (1e-9, 2e-9), (1e6, -1e6)])
def test_the_axis_is_one_for_whatever_values(run: Run, values: tuple[float, ...]) -> None:
    found = scale(run, [contrast(*values)])
    assert found["low"] < min(*values, 0.0) or values == (0.0,)
    assert found["low"] < found["high"]
    assert 1 <= len(found["ticks"]) <= 8


@pytest.mark.parametrize("margin", [None, -0.5, 0.2])
def test_the_page_and_the_report_have_one_axis(run: Run, margin: float | None) -> None:
    rng = random.Random(5)
    for _ in range(20):
        shown = [
            contrast(
                *(rng.gauss(0, 1) for _ in range(rng.randint(1, 5))),
                low=rng.choice([None, -rng.expovariate(0.3)]),
                high=rng.choice([None, rng.expovariate(0.3)]),
            )
            for _ in range(rng.randint(1, 4))
        ]
        found = scale(run, shown, margin)
        made = [Contrast(**one, n=1, confidence=0.95, headline="", reason="") for one in shown]
        assert (found["low"], found["high"]) == pytest.approx(difference_range(made, margin))


SHOWN = """
async ({ differences }, [contrasts, plan]) => {
  const { fill } = await import("/static/js/html.js");
  const style = document.head.appendChild(document.createElement("link"));
  Object.assign(style, { rel: "stylesheet", href: "/static/css/compare.css" });
  await new Promise((resolve) => style.addEventListener("load", resolve));
  const place = fill(document.body.appendChild(document.createElement("div")), differences(contrasts, plan));
  const left = (name) => [...place.querySelectorAll(name)].map((node) => {
    const { left, width } = node.getBoundingClientRect();
    return left + width / 2;
  });
  return {
    dots: left(".diff__dot"), mean: left(".diff__mean"), lines: left(".diff__line"),
    text: place.innerText, labels: [...place.querySelectorAll("[role=img]")].map((node) => node.ariaLabel),
    cut: place.querySelectorAll(".diff__interval--cut-low.diff__interval--cut-high").length,
  };
}
"""
PLAN = {"metric": "val/top1", "margin": None}


def test_dots_mean_and_lines_stand_in_their_order(run: Run) -> None:
    found = run("components/differences", SHOWN, [[contrast(-0.4, 0.3, 0.9, low=-1.35, high=1.88)], PLAN])
    first, second, third = found["dots"]
    (zero,) = found["lines"]
    assert first < zero < found["mean"][0] < second < third or first < zero < second < third
    assert (second - first) / (third - second) == pytest.approx(0.7 / 0.6, rel=0.05)
    assert found["labels"] == [
        "Mean +0.27 points, 95 % interval. seed 0 \u22120.40, seed 1 +0.30, seed 2 +0.90.",
    ]
    assert "Difference in top-1 to Baseline, in points" in found["text"]
    assert found["text"].index("worse") < found["text"].index("better")


def test_a_margin_stands_on_the_side_of_the_loss(run: Run) -> None:
    shown = [contrast(0.1, 0.2, low=-0.1, high=None)]
    top1 = run("components/differences", SHOWN, [shown, PLAN | {"margin": 0.5}])
    assert top1["lines"][1] < top1["lines"][0]
    loss = run("components/differences", SHOWN, [shown, {"metric": "val/loss", "margin": 0.5}])
    assert loss["lines"][1] > loss["lines"][0]
    assert loss["text"].index("\u2190 better") < loss["text"].index("worse \u2192")


def test_an_interval_that_goes_on_beyond_the_axis_is_seen_to(run: Run) -> None:
    found = run("components/differences", SHOWN, [[contrast(0.3, 0.5, low=-50.0, high=50.0)], PLAN])
    assert found["cut"] == 1


def test_nothing_is_drawn_before_a_seed_has_ended(run: Run) -> None:
    empty = contrast(0.0) | {"differences": [], "mean": None}
    assert run("components/differences", "(m, [c, plan]) => String(m.differences(c, plan))", [[empty], PLAN]) == ""


def test_dots_of_like_values_are_all_seen(run: Run) -> None:
    heights = run(
        "difference-scale", "(m, [values, scale]) => m.heightsOf(values, scale)",
        [[1.0, 2.0, 1.0, 1.001, 2.0, 1.0], {"low": 0.0, "high": 3.0}],
    )  # fmt: skip
    assert heights == [0, 0, 1, -1, 1, 2]
