from __future__ import annotations

import hashlib
import io
import os
import re
import resource
import zipfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.parts import InterruptAfter, Recorder, attempt, differences, tiny
from worker.contract.config import RunConfig
from worker.engine.checkpoint import (
    FORMAT,
    CheckpointDamaged,
    CheckpointMismatch,
    CheckpointUnwritable,
    checkpoint_path,
    load,
    newest_first,
    read_sealed,
    save,
)
from worker.engine.data.open import open_dataset
from worker.engine.outcome import Best
from worker.engine.train_command import newest_sound_checkpoint

CONTENT: dict[str, Any] = {
    "step": 3,
    "model": {"weight": torch.arange(24.0).view(2, 3, 2, 2).to(memory_format=torch.channels_last)},
    "best": None,
}


def test_what_is_saved_is_loaded_layout_included(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path / "new folder", 3)
    written = save(CONTENT, path)
    assert differences({**CONTENT, "format": FORMAT}, read_sealed(path).content) == []
    assert written.size_bytes == path.stat().st_size
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_torch_reads_the_file_without_unpickling_code(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, 3)
    save(CONTENT, path)
    assert torch.load(path, weights_only=True)["step"] == 3


@pytest.mark.parametrize("position", [0, 400, -200, -10])
def test_a_changed_byte_is_noticed(tmp_path: Path, position: int) -> None:
    path = checkpoint_path(tmp_path, 3)
    save(CONTENT, path)
    damaged = bytearray(path.read_bytes())
    damaged[position] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CheckpointDamaged, match=r"step-00000003\.pt is damaged"):
        read_sealed(path)


@pytest.mark.parametrize("kept", [0, 20, -1])
def test_a_file_cut_short_is_noticed(tmp_path: Path, kept: int) -> None:
    path = checkpoint_path(tmp_path, 3)
    save(CONTENT, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointDamaged, match=r"step-00000003\.pt"):
        read_sealed(path)


def sealed(content: bytes, path: Path) -> None:
    path.write_bytes(content + b"RESDROP1" + hashlib.sha256(content).digest())


def written_by_torch(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


class Booby:
    """Makes a file where it is unpickled by whoever trusts it."""

    def __init__(self, trap: Path) -> None:
        self._trap = trap

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._trap,)


def test_a_right_seal_runs_no_code(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, 3)
    sealed(written_by_torch({"format": FORMAT, "step": Booby(tmp_path / "sprung")}), path)
    with pytest.raises(CheckpointDamaged, match=r"step-00000003\.pt holds more than numbers and text"):
        read_sealed(path)
    assert not (tmp_path / "sprung").exists()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("thesis.txt", "years of work")
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"years of work", zipped(), written_by_torch([1]), written_by_torch({"step": 3})]
)
def test_a_right_seal_on_something_else_is_noticed(tmp_path: Path, content: bytes) -> None:
    path = checkpoint_path(tmp_path, 3)
    sealed(content, path)
    with pytest.raises(CheckpointDamaged, match=r"step-00000003\.pt"):
        read_sealed(path)


def test_another_format_is_no_damage(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, 3)
    sealed(written_by_torch({"format": FORMAT + 1}), path)
    with pytest.raises(CheckpointMismatch, match=f"has format {FORMAT + 1}, this version reads {FORMAT}"):
        read_sealed(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointDamaged, match=r"step-00000003\.pt cannot be read: No such file"):
        read_sealed(checkpoint_path(tmp_path, 3))


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = checkpoint_path(tmp_path, 3)
    save(CONTENT, path)
    before = path.read_bytes()

    def disk_full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(CheckpointUnwritable, match=r"step-00000003\.pt cannot be written: No space left .*make room"):
        save({**CONTENT, "step": 4}, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond 64 kB, as on a disk with no more room than that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_a_disk_that_takes_no_more_says_so_itself(tmp_path: Path) -> None:
    """torch alone speaks of an unexpected position."""
    path = checkpoint_path(tmp_path, 3)
    save(CONTENT, path)
    before = path.read_bytes()
    with pytest.raises(CheckpointUnwritable, match=r"step-00000003\.pt cannot be written: File too large"):
        save({**CONTENT, "more": torch.zeros(1 << 16)}, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_what_a_crash_left_unfinished_is_removed(tmp_path: Path) -> None:
    (tmp_path / "step-00000002.pt.partial").write_bytes(b"half")
    save(CONTENT, checkpoint_path(tmp_path, 3))
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-00000003.pt"]


def test_the_newest_comes_first(tmp_path: Path) -> None:
    for step in (5, 100, 20):
        save(CONTENT, checkpoint_path(tmp_path, step))
    assert [path.stem for path in newest_first(tmp_path)] == ["step-00000100", "step-00000020", "step-00000005"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a training of two micro-batches a step left between them."""
    folder = tmp_path_factory.mktemp("sound")
    attempt(tiny(accumulation=2, ema=0.9), folder, sink=Recorder(), control=InterruptAfter(3))
    return dict(load(newest_first(folder)[0]).content)


def without(mapping: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


WEIGHT = "stages.0.0.conv1.weight"
COUNTED = "stages.0.0.bn1.num_batches_tracked"

#: Tensors that torch saves and loads, and that a training cannot copy its state from, or not as it was.
OTHER_KINDS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sparse_coo": lambda dense: dense.to_sparse(),
    "sparse_csr": lambda dense: dense.reshape(1, -1).to_sparse_csr(),
    "meta": lambda dense: dense.to("meta"),
    "quantized": lambda dense: torch.quantize_per_tensor(dense.float(), 0.1, 0, torch.qint8),
    "nested": lambda dense: torch.nested.nested_tensor([dense.flatten(), dense.flatten()[:1]]),
    "torch.complex64": lambda dense: dense.to(torch.complex64),
    "torch.float16": lambda dense: dense.half(),
    "torch.bool": lambda dense: dense.bool(),
    "not finite": lambda dense: torch.full_like(dense, torch.inf),
    "[2, 2]": lambda dense: torch.zeros((2, 2), dtype=dense.dtype),
}
PLACES: dict[str, tuple[str, ...]] = {
    "a weight": ("model", WEIGHT),
    "a count": ("model", COUNTED),
    "an average": ("average", WEIGHT),
    "momentum": ("momentum", WEIGHT),
    "a gradient": ("gradients", "stem.weight"),
    "sums": ("meter", "sums"),
}

WRONG: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "no model": lambda sound: without(sound, "model"),
    "a model that is a list": lambda sound: sound | {"model": []},
    "a weight too few": lambda sound: sound | {"model": without(sound["model"], WEIGHT)},
    "a weight too many": lambda sound: sound | {"model": sound["model"] | {"more": torch.zeros(1)}},
    "a weight of another shape": lambda sound: sound | {"model": sound["model"] | {WEIGHT: torch.zeros(2, 2)}},
    "a weight of another kind": lambda sound: (
        sound | {"model": sound["model"] | {WEIGHT: sound["model"][WEIGHT].half()}}
    ),
    "a weight that is text": lambda sound: sound | {"model": sound["model"] | {WEIGHT: "0.1"}},
    "a weight that is no number": lambda sound: (
        sound | {"model": sound["model"] | {WEIGHT: torch.full_like(sound["model"][WEIGHT], torch.nan)}}
    ),
    "another network": lambda sound: sound | {"config": sound["config"] | {"depth": 32}},
    "an unknown network": lambda sound: sound | {"config": sound["config"] | {"depth": 21}},
    "settings that are a list": lambda sound: sound | {"config": [1]},
    "no average": lambda sound: sound | {"average": None},
    "momentum of another network": lambda sound: sound | {"momentum": {"more": torch.zeros(1)}},
    "no momentum": lambda sound: sound | {"momentum": {}},
    "gradients of other ranks": lambda sound: sound | {"gradients": {WEIGHT: [None, None]}},
    "gradients of another network": lambda sound: sound | {"gradients": {"more": [None]}},
    "sums of other ranks": lambda sound: sound | {"meter": {"sums": torch.zeros(3, 5)}},
    "no sums": lambda sound: sound | {"meter": {}},
    "a step that is text": lambda sound: sound | {"step": "3"},
    "a step before the first": lambda sound: sound | {"step": -1},
    "too many micro-batches": lambda sound: sound | {"micro": 2},
    "a scaler of something else": lambda sound: sound | {"scaler": {"scale": 2.0}},
    "a best without a step": lambda sound: sound | {"best": {"top1": 5.0}},
    "no classes": lambda sound: sound | {"classes": []},
    "other classes": lambda sound: sound | {"classes": ["cat", "dog"]},
    "sums that are no numbers": lambda sound: (
        sound | {"meter": {"sums": torch.full_like(sound["meter"]["sums"], torch.nan)}}
    ),
    "a best that is no number": lambda sound: sound | {"best": {"top1": float("nan"), "step": 0}},
    "a best that is a tensor": lambda sound: sound | {"best": {"top1": torch.tensor(5.0), "step": 0}},
    "a depth that is a tensor": lambda sound: (
        sound | {"depth_meter": sound["depth_meter"] | {"blocks": torch.tensor(5.0)}}
    ),
    "a best of a later step": lambda sound: sound | {"best": {"top1": 5.0, "step": 1000}},
    "more threads than there can be": lambda sound: sound | {"threads": 1 << 31},
    "a time that is no number": lambda sound: sound | {"elapsed_seconds": float("nan")},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_right_seal_on_the_wrong_things_is_passed_over_for_the_next_older(
    sound: dict[str, Any], tmp_path: Path, what: str
) -> None:
    path = checkpoint_path(tmp_path, sound["step"], micro=sound["micro"])
    save(WRONG[what](sound), path)
    with pytest.raises(CheckpointDamaged, match=r"step-00000001\+1\.pt does not hold a training's state: "):
        load(path)
    older = checkpoint_path(tmp_path, 1)
    save(sound | {"micro": 0}, older)
    told = Recorder()
    found = newest_sound_checkpoint(tmp_path, told)
    assert found is not None
    assert found.path == older
    assert [notice.endswith("; passed over") for notice in told.notices] == [True]


@pytest.mark.filterwarnings("ignore")  # torch's, of kinds of tensors that are young or old
@pytest.mark.parametrize(
    ("where", "kind"),
    # A whole number is finite.
    [pair for pair in product(PLACES, OTHER_KINDS) if pair != ("a count", "not finite")],
)
def test_a_tensor_of_another_kind_is_damage_that_says_which(
    sound: dict[str, Any], tmp_path: Path, where: str, kind: str
) -> None:
    whole, name = PLACES[where]
    dense = sound[whole][name][0] if where == "a gradient" else sound[whole][name]
    other = OTHER_KINDS[kind](dense)
    path = checkpoint_path(tmp_path, sound["step"], micro=sound["micro"])
    save(sound | {whole: sound[whole] | {name: [other] if where == "a gradient" else other}}, path)
    with pytest.raises(CheckpointDamaged, match=rf"does not hold a training's state: .* {re.escape(kind)}"):
        load(path)


def test_gradients_may_overflow_where_a_scaler_sees_to_them(sound: dict[str, Any], tmp_path: Path) -> None:
    """In fp16, between two micro-batches; the optimizer's step is then left out."""
    path = checkpoint_path(tmp_path, sound["step"], micro=sound["micro"])
    (gradient,) = sound["gradients"]["stem.weight"]
    overflowed = sound["gradients"] | {"stem.weight": [torch.full_like(gradient, torch.inf)]}
    scaler = {
        "scale": 65536.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 2000,
        "_growth_tracker": 0,
    }
    save(sound | {"gradients": overflowed, "scaler": scaler}, path)
    found = newest_sound_checkpoint(tmp_path, Recorder())
    assert found is not None
    assert found.path == path


def test_a_best_of_which_more_is_told_is_gone_on_from(sound: dict[str, Any], tmp_path: Path) -> None:
    """As everywhere in a checkpoint, what this version does not know of is left alone."""
    path = checkpoint_path(tmp_path, sound["step"], micro=sound["micro"])
    save(sound | {"best": {"top1": 5.0, "step": 0, "epoch": 0}}, path)
    outcome = attempt(tiny(accumulation=2, ema=0.9), tmp_path, sink=Recorder(), control=InterruptAfter(1))
    assert outcome.best == Best(top1=5.0, step=0)


@pytest.mark.parametrize("step", [10, 10**12, 10**5000], ids=["other", "great", "longer than text"])
def test_a_step_that_is_not_that_of_its_name_is_passed_over(sound: dict[str, Any], tmp_path: Path, step: int) -> None:
    path, older = checkpoint_path(tmp_path, 33), checkpoint_path(tmp_path, 1)
    save(sound | {"step": step, "micro": 0}, path)
    save(sound | {"micro": 0}, older)
    found = newest_sound_checkpoint(tmp_path, Recorder())
    assert found is not None
    assert found.path == older


@pytest.mark.parametrize(
    "places",
    [
        {"step": 10**12},
        {"step": 11},
        {"step": 10, "micro": 1},
        {"step": 4, "evaluated": 1},
        {"best": {"top1": 1.0, "step": 5}},
        {"best": {"top1": 1.0, "step": 3}},
    ],
)
def test_a_place_that_its_settings_do_not_reach_is_passed_over(
    sound: dict[str, Any], tmp_path: Path, places: dict[str, Any]
) -> None:
    dataset = open_dataset(RunConfig.model_validate(sound["config"]))
    content = sound | {"step": 3, "micro": 0} | places
    save(content, checkpoint_path(tmp_path, content["step"], micro=content["micro"]))
    told = Recorder()
    assert newest_sound_checkpoint(tmp_path, told, dataset=dataset) is None
    assert "does not hold a training's state" in told.notices[0]


def test_steps_are_not_counted_with_images_that_others_have_taken_the_place_of(
    sound: dict[str, Any], tmp_path: Path
) -> None:
    """Else a training would begin anew that can go on once they are back."""
    dataset = open_dataset(RunConfig.model_validate(sound["config"]))
    path = checkpoint_path(tmp_path, 11)
    save(sound | {"step": 11, "micro": 0, "images": "others"}, path)
    assert load(path, dataset=dataset).step == 11


@pytest.mark.parametrize("found", [torch.zeros(2), None, "3", True, [FORMAT]])
def test_a_format_that_is_no_number_is_damage(tmp_path: Path, found: object) -> None:
    path = checkpoint_path(tmp_path, 3)
    sealed(written_by_torch({"format": found}), path)
    with pytest.raises(CheckpointDamaged, match=r"step-00000003\.pt names no format"):
        read_sealed(path)


def test_a_copy_under_a_name_of_another_kind_is_of_any_step(sound: dict[str, Any], tmp_path: Path) -> None:
    save(sound, tmp_path / "mine.pt")
    assert load(tmp_path / "mine.pt").step == sound["step"]


class Unfit(ValueError):
    """What no check foresaw."""


def test_whatever_a_content_leads_to_is_damage(
    sound: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint_path(tmp_path, sound["step"], micro=sound["micro"])
    save(sound, path)

    def refuse(*_: object, **__: object) -> None:
        raise Unfit("strange")

    for where in ("worker.engine.checkpoint.refuse_misfit", "torch.load"):
        monkeypatch.setattr(where, refuse)
        with pytest.raises(CheckpointDamaged, match="strange"):
            load(path)


def test_a_sound_checkpoint_of_any_recipe_is_taken(tmp_path: Path) -> None:
    recipes = ({}, {"momentum": 0.0}, {"sd_mode": "subset", "accumulation": 2}, {"depth": 50, "image_size": 32})
    for number, recipe in enumerate(recipes):
        config: RunConfig = tiny(**recipe)
        attempt(config, tmp_path / str(number), sink=Recorder(), control=InterruptAfter(1))
        assert load(newest_first(tmp_path / str(number))[0]).config == config.model_dump(mode="json")
