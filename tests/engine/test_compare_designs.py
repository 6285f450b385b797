"""`compare` with arms of one's own and a plan: what is trained, what is told, and how it goes on."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.engine.parts import TINY, tiny
from worker.contract.arms import ArmSpec
from worker.contract.plan import Plan
from worker.contract.templates import TEMPLATES
from worker.engine.__main__ import main
from worker.engine.compare.arms import folder_names
from worker.engine.compare.design import Design
from worker.engine.compare.outcome import RunResult, verdict_on
from worker.evidence import verdict as evidence
from worker.evidence.pairs import CompletedRun

QUICK = {name: value for name, value in TINY.items() if name not in ("sd", "seed")} | {"epochs": 1, "bn_reestimate": 0}
ARMS = ("--arm", "plain", "--arm", "+ SD:sd=1,pL=0.8")
PLAN = ("--stopping", "sequential", "--max-seeds", "2", "--metric", "val/loss", "--confidence", "0.9")


def compare(out: Path, *options: str, **changes: object) -> int:
    settings = [f"--{name}={value}" for name, value in (QUICK | changes).items()]
    return main(["compare", "--out", str(out), *options, *settings])


def record(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "comparison.json").read_text()))


def rows(out: Path) -> list[dict[str, str]]:
    found = list(csv.DictReader((out / "comparison.csv").read_text().splitlines()))
    return [{name: cell for name, cell in row.items() if "second" not in name} for row in found]


@pytest.fixture(scope="module")
def sequential(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sequential") / "comparison"
    assert compare(out, "--seeds", "4", *ARMS, *PLAN) == 0
    return out


def test_a_sequential_plan_adds_seeds_until_it_has_all_and_every_arm_is_told(sequential: Path) -> None:
    runs = [(seed, arm) for seed in ("4", "5") for arm in ("plain", "'+ SD")]
    assert [(row["seed"], row["arm"]) for row in rows(sequential)] == runs
    assert {row["status"] for row in rows(sequential)} == {"completed"}
    config = json.loads((sequential / "seed-5" / "SD" / "config.json").read_text())
    assert (config["sd"], config["pL"], config["seed"], config["batch"]) == (True, 0.8, 5, 256)
    found = record(sequential)
    assert found["seeds"] == [4, 5]
    assert [arm["name"] for arm in found["arms"]] == ["plain", "+ SD"]
    assert (found["plan"]["metric"], found["plan"]["max_seeds"]) == ("val/loss", 2)
    assert found["ended_reason"] == "All 2 seeds of the plan have ended."
    page = (sequential / "report.html").read_text()
    for part in (
        "ResNet-20 on digits: + SD against plain",
        '<span class="mark arm-0"></span>plain',
        '<span class="mark arm-1"></span>+ SD',
        "Plan: is there a difference in val/loss after the last epoch? 90 % confidence, sequential: up to 2 seeds",
    ):
        assert part in page


def test_the_verdict_is_that_of_the_evidence(sequential: Path) -> None:
    found = record(sequential)
    completed = [CompletedRun.model_validate(run) for run in found["runs"]]
    assert all(run.last_top5 is not None for run in completed)
    design = evidence.Design(arms=("plain", "+ SD"), seeds=(4, 5), plan=Plan.model_validate(found["plan"]))
    assert evidence.verdict_of(completed, design).model_dump(mode="json") == found["verdict"]
    (contrast,) = found["verdict"]["contrasts"]
    losses = {(run.arm, run.seed): run.last_loss for run in completed}
    assert contrast["differences"][1]["value"] == losses["+ SD", 5] - losses["plain", 5]  # type: ignore[operator]


def test_a_comparison_goes_on_with_arms_and_plan_of_its_folder(
    tmp_path: Path, sequential: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if it had been killed while it trained the seed that it had added."""
    out = tmp_path / "comparison"
    shutil.copytree(sequential, out)
    shutil.rmtree(out / "seed-5" / "SD")
    assert compare(out) == 0
    said = capsys.readouterr().out
    assert said.count("completed before") == 3
    assert f"seed 5 + SD: training in {out / 'seed-5' / 'SD'}" in said
    verdict = record(out)["verdict"]
    for line in (verdict["headline"], verdict["reason"], "sequential: up to 2 seeds", "All 2 seeds of the plan"):
        assert line in said
    assert verdict["contrasts"][0]["differences"] == record(sequential)["verdict"]["contrasts"][0]["differences"]
    assert rows(out) == rows(sequential)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([*ARMS, "--stopping", "fixed"], "stopping was sequential and is fixed"),
        ([*PLAN, "--question", "non_inferiority", "--margin", "1"], "margin was not set and is 1.0"),
        ([*PLAN, "--max-seeds", "5"], "max_seeds was 2 and is 5"),
        (["--template", "survival"], "the arms were 'plain', '+ SD' and are 'baseline', 'pL 0.9'"),
        (["--arm", "plain", "--arm", "+ SD:sd=1,pL=0.5"], "arm '+ SD' was sd=1, pL=0.8 and is sd=1, pL=0.5"),
        (["--arm", "+ SD:sd=1,pL=0.8", "--arm", "plain"], "the arms were 'plain', '+ SD' and are '+ SD', 'plain'"),
        (["--lr=0.2"], "lr was 0.1 and is 0.2"),
    ],
)
def test_another_plan_or_other_arms_in_the_same_folder_are_refused(
    sequential: Path, capsys: pytest.CaptureFixture[str], options: list[str], complaint: str
) -> None:
    before = (sequential / "comparison.json").read_text()
    settings = [f"--{name}={value}" for name, value in QUICK.items()]
    assert main(["compare", "--out", str(sequential), *settings, *options]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert "Give the same settings to go on, another --out, or --fresh" in said
    assert (sequential / "comparison.json").read_text() == before


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--arm", "a"], "arms: arms has 1 entry; give at least 2"),
        (["--arm", "a", "--arm", "a:sd=1"], "arms: two arms are named 'a'; give each its own name"),
        (["--arm", "a", "--arm", "b:pL=7"], "arms.1.settings.pL: arm 'b': pL 7 exceeds 1; give 1 or less"),
        (["--arm", "a", "--arm", "b:sd=0"], "arms.1: arms 'a' and 'b' train the same; change one of them"),
        (["--vary", f"epochs={','.join(map(str, range(1, 10)))}"], "arms: arms has 9 entries; give at most 8"),
        (["--margin", "1"], "plan.margin: margin belongs to the question non_inferiority"),
        (["--confidence", "2"], "plan.confidence: confidence '2' exceeds 0.9999; give 0.9999 or less"),
        (
            ["--seeds", "0-2", "--stopping", "sequential", "--max-seeds", "2"],
            "seeds: 3 seeds exceed the plan's max_seeds of 2; name fewer",
        ),
        (["--sd", "1"], "--sd is set by the comparison itself; each seed gets a run without and one with it."),
        (["--template", "sd-mode", "--sd", "1"], "--sd is set by the comparison itself"),
        (["--arm", "a", "--arm", "b:batch=4096"], "arms.1.settings.batch: arm 'b': batch 4096 exceeds the 1437"),
    ],
)
def test_a_design_that_makes_no_sense_is_refused_in_the_services_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], complaint: str
) -> None:
    assert compare(tmp_path / "out", *options) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_arm_that_diverges_is_named_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hot = "hot:lr=100,weight_decay=1,warmup_epochs=0,clip_grad=none,epochs=10"
    assert compare(tmp_path, "--seeds", "4", "--mode", "parallel", "--arm", "plain", "--arm", hot) == 1
    said = capsys.readouterr().out
    assert "seed-4/hot failed: " in said
    assert "stopped being finite" in said
    assert "warning: 1 run ended without a value, which leaves out 1 seed: hot, seed 4, failed." in said
    assert "not_enough: No seed has ended with a value of every arm, so hot cannot be compared with plain." in said
    assert [(row["arm"], row["status"]) for row in rows(tmp_path)] == [("plain", "completed"), ("hot", "failed")]
    assert "seed 4 hot: " in (tmp_path / "report.html").read_text()


def fixed(seeds: Sequence[int], planned: Sequence[int]) -> Design:
    return Design(mode="sequential", gpu_split=False, seeds=tuple(seeds), config=tiny(), planned=tuple(planned))


def test_a_fixed_plan_that_was_extended_claims_nothing() -> None:
    results = [
        RunResult(run=f"{arm}{seed}", seed=seed, arm=arm, status="completed", last_top1=90 + gain * (1 + 0.01 * seed))
        for seed in range(4)
        for arm, gain in (("baseline", 0.0), ("sd", 1.0))
    ]
    planned = verdict_on(results, fixed(range(4), range(4)).judged)
    extended = verdict_on(results, fixed(range(4), range(3)).judged)
    assert planned.conclusion == "better"
    assert extended.conclusion == "undecided"
    assert "for the plan was extended" in extended.headline


def test_every_arm_has_a_folder_of_its_own_on_any_filesystem() -> None:
    assert folder_names(["baseline", "sd"]) == ["baseline", "sd"]
    assert folder_names(["../a b", "A-B", "a/b", "日本", "..", "x", "x.out"]) == [
        *("a-b", "A-B-2", "a-b-3", "arm", "arm-2", "x", "x.out-2"),
    ]
    for template in TEMPLATES:
        names = folder_names([arm.name for arm in template.arms])
        assert len({name.lower() for name in names}) == len(template.arms)


def test_settings_that_every_arm_changes_are_none_of_the_comparisons() -> None:
    design = fixed([4], [4])
    assert design.common_config().sd is False
    own = Design(
        mode="sequential",
        gpu_split=False,
        seeds=(4,),
        config=design.config,
        arms=(ArmSpec(name="a"), ArmSpec(name="b", settings={"pL": 0.9})),
    )
    assert own.common_config().sd is True
    assert (design.as_json()["format"], own.as_json()["format"]) == (1, 2)
