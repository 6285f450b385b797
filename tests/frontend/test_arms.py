"""Arms as a person writes them in the form, and as the service takes them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frontend.conftest import Run
from worker.contract.templates import TEMPLATES

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", {}),
        (" , ", {}),
        ("sd=true, pL=0.8", {"sd": True, "pL": 0.8}),
        ("sd = FALSE", {"sd": False}),
        ("mixup=.2,depth=50", {"mixup": 0.2, "depth": 50}),
        ("lr=1e-3", {"lr": 0.001}),
        ("lr=none, sd_mode=row", {"lr": None, "sd_mode": "row"}),
        ("data_dir=/data/a=b", {"data_dir": "/data/a=b"}),
        ("sd", {"sd": ""}),
        ("pL=0.8, sd=1, pL=0.9", {"pL": "0.8 and 0.9", "sd": 1}),
        ("epochs=9007199254740993", {"epochs": "9007199254740993"}),
        ("epochs=0x10", {"epochs": "0x10"}),
    ],
)
def test_settings_are_read_as_they_are_written(run: Run, text: str, settings: dict[str, Any]) -> None:
    assert run("arms", "(m, text) => m.settingsOf(text)", text) == settings


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_the_settings_of_a_template_are_shown_so_that_they_read_back(run: Run, template: Any) -> None:
    for arm in template.arms:
        assert run("arms", "(m, it) => m.settingsOf(m.settingsText(it))", arm.settings) == arm.settings


def test_an_arm_for_each_value_of_one_setting(run: Run) -> None:
    assert run("arms", "m => m.varied('pL', '0.9, 0.8,')") == [
        {"name": "pL 0.9", "settings": "pL=0.9"},
        {"name": "pL 0.8", "settings": "pL=0.8"},
    ]


def test_what_every_arm_sets_is_not_the_forms(run: Run) -> None:
    set_by_all = "(m, texts) => m.setByAll(texts.map((settings) => ({ settings })))"
    assert run("arms", set_by_all, ["sd=false, mixup=0", "sd=true, pL=0.8, mixup=0.2"]) == ["sd", "mixup"]
    assert run("arms", set_by_all, ["", "sd=true"]) == []


def test_a_plan_sends_only_what_belongs_to_it(run: Run) -> None:
    body = """
    (m, meta) => m.launchBody({
      kind: "comparison", config: { sd: true, seed: 3, epochs: 5 }, meta: { name: "", tags: "", notes: "", ...meta },
      design: { arms: [{ name: "a", settings: "sd=false" }, { name: "b", settings: "sd=true" }] },
    })
    """
    meta = {"seeds": "0-1", "mode": "parallel", "metric": "val/top1", "confidence": " 0.9 "}
    left = {"question": "difference", "margin": "0.3", "stopping": "fixed", "max_seeds": "9"}
    sent = run("launch", body, meta | left)
    assert sent["config"] == {"epochs": 5}
    assert sent["plan"] == {"metric": "val/top1", "question": "difference", "stopping": "fixed", "confidence": "0.9"}
    used = {"question": "non_inferiority", "margin": "0.3", "stopping": "sequential", "max_seeds": "9"}
    assert run("launch", body, meta | used)["plan"] == used | {"metric": "val/top1", "confidence": "0.9"}
