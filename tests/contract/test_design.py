"""Arms and plans as a command line names them, and when a sequential plan ends."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from backend.cli import comparisons
from worker.contract.arms import USUAL_ARMS, ArmSpec
from worker.contract.config import RunConfig
from worker.contract.design import DesignRefused, arm_configs, check_design, next_seed, reason_to_end
from worker.contract.design_options import add_design_options, asked_arms, asked_plan
from worker.contract.plan import Plan, Stopping
from worker.contract.seeds import LARGEST_SEED
from worker.contract.templates import TEMPLATES
from worker.engine.verbs import compare

SEQUENTIAL = Plan(stopping=Stopping.SEQUENTIAL, max_seeds=3)


def typed(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_design_options(parser)
    return parser.parse_args(options)


def test_both_command_lines_have_the_same_options_for_a_design() -> None:
    shared = argparse.ArgumentParser()
    add_design_options(shared)
    wanted = _told(shared, set(vars(shared.parse_args([]))))
    service, engine = argparse.ArgumentParser(), argparse.ArgumentParser()
    comparisons.add_arguments(service)
    compare.add(engine.add_subparsers())
    for parser, verb in ((service, "create"), (engine, "compare")):
        assert _told(_verb(parser, verb), set(wanted)) == wanted


def _verb(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    (verbs,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    found: argparse.ArgumentParser = verbs.choices[name]
    return found


def _told(parser: argparse.ArgumentParser, names: set[str]) -> dict[str, Any]:
    return {
        one.dest: (one.option_strings, one.metavar, one.choices, one.help)
        for one in parser._actions
        if one.dest in names
    }


def test_arms_are_named_or_varied_on_a_command_line() -> None:
    assert asked_arms(typed()) is None
    assert asked_arms(typed("--vary", "pL=0.5, 0.8")) == [
        {"name": "pL 0.5", "settings": {"pL": 0.5}},
        {"name": "pL 0.8", "settings": {"pL": 0.8}},
    ]
    assert asked_arms(typed("--arm", "plain", "--arm", "b: lr=none,nesterov=True,sd_mode=row")) == [
        {"name": "plain", "settings": {}},
        {"name": "b", "settings": {"lr": None, "nesterov": True, "sd_mode": "row"}},
    ]
    assert asked_plan(typed("--margin", "0.3", "--max-seeds", "4")) == {"margin": "0.3", "max_seeds": "4"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--arm", "a:sd"], "'sd' of 'a:sd' has no value; write SETTING=VALUE"),
        (["--arm", "a:sd=1,sd=0"], "'a:sd=1,sd=0' names sd twice; leave one out"),
        (["--vary", "pL=0.5"], "'pL=0.5' names no values; write SETTING=V1,V2 with two or more"),
        (["--vary", "dropout=1,2"], "'dropout' is no setting; take those of a run's configuration"),
        (["--vary", "seed=1,2"], "seed is set by the comparison, for all arms alike; name the seeds in its seeds"),
        (["--vary", "pL=0.5,0.8", "--template", "survival"], "not allowed with argument --vary"),
    ],
)
def test_a_mistyped_arm_is_refused_with_its_remedy(
    capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit):
        typed(*options)
    assert sentence in capsys.readouterr().err


def test_a_template_names_arms_and_none_are_the_usual_ones() -> None:
    plan = Plan()
    assert check_design(arms=None, template=None, seeds=[0], plan=plan) == USUAL_ARMS
    for template in TEMPLATES:
        assert check_design(arms=None, template=template.name, seeds=[0], plan=plan) == template.arms


@pytest.mark.parametrize(
    ("design", "field", "sentence"),
    [
        ({"template": "sweep"}, "template", "unknown template 'sweep'; choose from baseline-sd, recipes"),
        ({"template": "recipes", "arms": USUAL_ARMS}, "template", "arms are given too; leave one of them out"),
        ({"seeds": [0, 1, 2, 3]}, "seeds", "4 seeds exceed the plan's max_seeds of 3; name fewer"),
    ],
)
def test_a_design_that_makes_no_sense_is_refused(design: dict[str, Any], field: str, sentence: str) -> None:
    whole: dict[str, Any] = {"arms": None, "template": None, "seeds": [0], "plan": SEQUENTIAL}
    with pytest.raises(PydanticCustomError) as refused:
        check_design(**whole | design)
    assert sentence in refused.value.message()
    assert (refused.value.context or {})["field"] == field


def test_an_arm_that_does_not_fit_together_or_trains_what_another_does_is_named() -> None:
    base = RunConfig()
    with pytest.raises(DesignRefused) as misfit:
        arm_configs([USUAL_ARMS[0], ArmSpec(name="b", settings={"pL": 7})], base, seed=0)
    assert misfit.value.errors == {"arms.1.settings.pL": ["arm 'b': pL 7 exceeds 1; give 1 or less"]}
    with pytest.raises(DesignRefused, match="arms 'baseline' and 'b' train the same; change one of them"):
        arm_configs([*USUAL_ARMS, ArmSpec(name="b")], base, seed=0)
    assert [config.seed for config in arm_configs(USUAL_ARMS, base, seed=4)] == [4, 4]


def test_a_sequential_plan_takes_seeds_until_it_is_decided_or_has_all_of_them() -> None:
    assert reason_to_end(SEQUENTIAL, [5, 7], is_decided=False) is None
    assert next_seed([5, 7]) == 8
    assert reason_to_end(SEQUENTIAL, [5], is_decided=True) == "The plan is decided."
    assert reason_to_end(SEQUENTIAL, [5, 7, 8], is_decided=False) == "All 3 seeds of the plan have ended."
    assert reason_to_end(SEQUENTIAL, [LARGEST_SEED], is_decided=False) == "There is no greater seed."
