from __future__ import annotations

import argparse
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.contract.config import GROUPS, RunConfig
from worker.contract.errors import field_errors
from worker.contract.options import add_config_options, given_settings, list_presets
from worker.contract.presets import PRESETS


def refusal(**settings: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        RunConfig.model_validate(settings)
    return field_errors(caught.value)


@pytest.mark.parametrize(
    ("settings", "field", "says"),
    [
        ({"batch": 5000}, "batch", "batch 5000 exceeds the 1437 training images of digits; lower it to 1437 or less"),
        ({"batch": 1}, "batch", "give 2 or more"),
        ({"pL": 0}, "pL", "pL 0 is not above 0; give more than 0"),
        ({"pL": 1.01}, "pL", "give 1 or less"),
        ({"depth": 18}, "depth", "20, 32, 44, 56, 110, 50, 101 or 152"),
        ({"epochs": 0}, "epochs", "give 1 or more"),
        ({"epochs": 1.5}, "epochs", "epochs 1.5 is not a whole number; give one from 1 to 10000"),
        ({"lr": float("nan")}, "lr", "finite"),
        ({"lr": -0.1}, "lr", "give more than 0"),
        ({"lr": 0.1, "min_lr": 0.2}, "min_lr", "min_lr 0.2 exceeds the learning rate 0.1; lower it below that"),
        ({"dataset": "cifar10"}, "data_dir", "cifar10 needs data_dir"),
        ({"dataset": "imagefolder", "data_dir": "images"}, "data_dir", "not an absolute path; begin it with /"),
        ({"dataset": "imagefolder", "data_dir": "/a\0b"}, "data_dir", "control character U+0000"),
        ({"dataset": "minst"}, "dataset", "digits"),
        ({"depth": 50, "image_size": 16}, "image_size", "too small for depth 50; take 32 or more"),
        ({"sd_mode": "rows"}, "sd_mode", "'batch', 'row' or 'subset'"),
        ({"batch": 100, "devices": 3}, "batch", "take 99, or another multiple of 3"),
        ({"batch": 8, "accumulation": 8}, "batch", "at least 2 images each; take 16"),
        ({"nesterov": True, "momentum": 0}, "nesterov", "needs a momentum above 0"),
        ({"cache_side": 128, "image_size": 224}, "cache_side", "cache_side 128 is below image_size 224"),
        ({"ema": 1.0}, "ema", "give less than 1"),
        ({"clip_grad": 0}, "clip_grad", "give more than 0"),
        ({"mixup": float("inf")}, "mixup", "finite"),
        (
            {"sd": True, "sd_mode": "subset", "depth": 50, "image_size": 32},
            "sd_mode",
            "take image_size 33 or more, or another mode",
        ),
        ({"wieght_decay": 0.1}, "wieght_decay", "there is no setting 'wieght_decay'"),
        ({"epochs": True}, "epochs", "epochs true is a yes or no; give a value"),
        ({"seed": -1}, "seed", "give 0 or more"),
    ],
)
def test_a_refused_value_is_named_with_its_limit(settings: dict[str, Any], field: str, says: str) -> None:
    errors = refusal(**settings)
    assert list(errors) == [field]
    assert says in errors[field][0]


def test_every_wrong_field_is_named_at_once() -> None:
    assert set(refusal(epochs=0, pL=2, depth=7)) == {"epochs", "pL", "depth"}


def test_every_setting_has_a_group_a_label_and_a_help_text() -> None:
    properties = RunConfig.model_json_schema()["properties"]
    assert set(properties) == set(RunConfig.model_fields)
    for name, shown in properties.items():
        assert shown["group"] in GROUPS, name
        assert shown["label"], name
        assert shown["description"].endswith("."), name


def test_settings_that_do_not_fit_are_told_of_all_at_once() -> None:
    found = refusal(nesterov=True, momentum=0, cache_side=32, image_size=64, batch=10, devices=3)
    assert found.keys() == {"batch", "nesterov", "cache_side"}
    assert all(len(sentences) == 1 for sentences in found.values())


@given(st.integers(2, 1437))
def test_the_learning_rate_follows_the_batch_unless_given(batch: int) -> None:
    assert RunConfig(batch=batch).peak_lr == pytest.approx(0.1 * batch / 256)
    assert RunConfig(batch=batch, lr=0.3).peak_lr == 0.3


def test_the_learning_rate_is_that_of_the_whole_batch() -> None:
    assert RunConfig(batch=256, accumulation=4, devices=2).peak_lr == RunConfig(batch=256).peak_lr == 0.1


def test_a_configuration_survives_json() -> None:
    for preset in PRESETS:
        assert RunConfig.model_validate_json(preset.config.model_dump_json()) == preset.config


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RunConfig().epochs = 3  # type: ignore[misc]


def test_warmup_that_never_ends_is_warned_of_and_accepted() -> None:
    assert "warmup_epochs 5 is not below epochs 3" in RunConfig(epochs=3).warnings()[0]
    assert RunConfig(epochs=6).warnings() == []


@pytest.mark.parametrize(
    ("settings", "dataset"),
    [
        ({}, "digits"),
        ({"data_dir": None}, "digits"),
        ({"data_dir": "/images"}, "imagefolder"),
        ({"data_dir": "/images", "dataset": "cifar10"}, "cifar10"),
        ({"data_dir": "/images", "dataset": "digits"}, "digits"),
    ],
)
def test_a_folder_without_a_dataset_is_imagefolder(settings: dict[str, Any], dataset: str) -> None:
    assert RunConfig.model_validate(settings).dataset == dataset
    assert RunConfig.model_validate_json(json.dumps(settings)).dataset == dataset


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"data_dir": "/images", "dataset": "digits"}, "data_dir /images does nothing with dataset digits"),
        ({"depth": 50}, "depth 50 is a network for 224 px images, and these of digits have 32 px"),
    ],
)
def test_images_that_are_probably_not_meant_are_warned_of(settings: dict[str, Any], says: str) -> None:
    assert says in RunConfig.model_validate(settings).warnings()[0]


def test_a_published_figure_has_its_source_beside_it() -> None:
    assert {preset.name for preset in PRESETS if not (preset.published and preset.source)} == {"demo"}


def test_the_cifar_presets_are_the_papers_recipe_but_for_what_they_say() -> None:
    """Huang et al. 2016, section 4: SGD with Nesterov's momentum of 0.9, batch 128, 500 epochs from 0.1, decay 1e-4."""
    paper = {"nesterov": True, "momentum": 0.9, "batch": 128, "epochs": 500, "lr": 0.1, "weight_decay": 1e-4, "pL": 0.5}
    found = [preset for preset in PRESETS if preset.config.depth == 110]
    assert [preset.config.sd for preset in found] == [False, True]
    for preset in found:
        assert preset.config.model_dump(include=set(paper)) == paper
        assert "cosine instead of two steps, pre-activation blocks" in preset.description


def test_the_help_says_what_each_preset_is_on_lines_of_its_own() -> None:
    parser = argparse.ArgumentParser(description="One line.")
    list_presets(parser)
    shown = parser.format_help().split("presets:\n")[1]
    starts = [line.strip().split(":")[0] for line in shown.splitlines() if not line.startswith("    ")]
    assert starts == [preset.name for preset in PRESETS]
    assert "5.25 % error" in shown


@pytest.mark.parametrize("spelling", ["--label_smoothing", "--label-smoothing"])
def test_options_accept_hyphens_and_underscores(spelling: str) -> None:
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    assert given_settings(parser.parse_args([spelling, "0.1"])) == {"label_smoothing": "0.1"}


@pytest.mark.parametrize("dataset", ["imagefolder", "digits"])
def test_every_setting_can_be_given_as_an_option(dataset: str) -> None:
    config = RunConfig.model_validate(
        {"dataset": dataset, "data_dir": "/images", "depth": 101, "lr": 0.2, "flip": False, "sd": True, "threads": 3}
    )
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    typed: list[str] = []
    for name, value in json.loads(config.model_dump_json()).items():
        typed += [f"--{name}", "none" if value is None else str(value)]
    assert RunConfig.model_validate(given_settings(parser.parse_args(typed))) == config
