from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.parts import InterruptAfter, Recorder, attempt, differences, final_state, run_to_end, tiny
from worker.common import gpus
from worker.contract.messages import Point
from worker.contract.status import Desired
from worker.engine.checkpoint import CheckpointMismatch, load, newest_first
from worker.engine.data import digits
from worker.engine.differences import differing_settings
from worker.engine.execution import Execution, device_of, settle
from worker.engine.out_of_memory import reason_of
from worker.engine.outcome import DeviceUnavailable, Ending, TrainingDiverged
from worker.engine.plan import Plan
from worker.engine.ports import NullControl, NullSink
from worker.engine.progress import Clock
from worker.engine.reporter import Reporter
from worker.engine.state import TrainingState, build_model, compile_blocks

#: What `tiny` asks its control: 5 steps, then 2 batches for batch norm and 2 of validation, twice.
QUESTIONS = 18
STEPS = 10


class Undisturbed:
    def __init__(self, folder: Path) -> None:
        self.recorder = run_to_end(tiny(), folder)
        self.state = final_state(folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"))


def test_points_come_every_log_every_steps_and_after_every_epoch(undisturbed: Undisturbed) -> None:
    steps = [(point.step, "val/top1" in point.values) for point in undisturbed.recorder.points]
    assert steps == [(3, False), (5, True), (6, False), (9, False), (10, False), (10, True)]
    assert undisturbed.recorder.points[1].epoch == 1.0
    names = set(undisturbed.recorder.points[0].values)
    assert names == {"train/loss", "train/top1", "lr", "images_per_second", "sd/depth", "sd/compute"}
    assert set(undisturbed.recorder.points[1].values) == {"val/loss", "val/top1", "val/top5"}


def test_the_training_learns(undisturbed: Undisturbed) -> None:
    losses = [loss for loss in undisturbed.recorder.values("train/loss") if loss is not None]
    assert losses[-1] < losses[0]


def test_times_go_forward(undisturbed: Undisturbed) -> None:
    elapsed = [point.elapsed_seconds for point in undisturbed.recorder.points]
    assert elapsed == sorted(elapsed)
    assert all(point.at.utcoffset() is not None for point in undisturbed.recorder.points)


def test_a_checkpoint_follows_every_epoch(undisturbed: Undisturbed) -> None:
    assert [saved.step for saved in undisturbed.recorder.checkpoints] == [5, 10]
    assert undisturbed.recorder.checkpoints[0].best


def test_the_control_is_asked_before_every_step_and_evaluation_batch(tmp_path: Path) -> None:
    control = InterruptAfter(QUESTIONS)
    assert attempt(tiny(), tmp_path, sink=Recorder(), control=control).ending is Ending.COMPLETED
    assert control.desired() is Desired.PAUSE


#: Before the first step, in an epoch, before and in both parts of an evaluation, after it, at the very last batch.
@pytest.mark.parametrize("questions", [0, 2, 5, 6, 8, 9, 11, 17])
def test_a_pause_anywhere_changes_neither_tensors_nor_history(
    undisturbed: Undisturbed, tmp_path: Path, questions: int
) -> None:
    recorder = Recorder()
    outcome = attempt(tiny(), tmp_path, sink=recorder, control=InterruptAfter(questions))
    assert outcome.ending is Ending.PAUSED
    assert outcome.step == load(newest_first(tmp_path)[0]).step
    run_to_end(tiny(), tmp_path, sink=recorder)
    assert recorder.history() == undisturbed.recorder.history()
    assert differences(final_state(tmp_path), undisturbed.state) == []


def test_many_pauses_change_nothing_either(undisturbed: Undisturbed, tmp_path: Path) -> None:
    recorder, attempts = Recorder(), 0
    while attempt(tiny(), tmp_path, sink=recorder, control=InterruptAfter(5)).ending is not Ending.COMPLETED:
        attempts += 1
    assert attempts >= 3
    assert recorder.history() == undisturbed.recorder.history()
    assert differences(final_state(tmp_path), undisturbed.state) == []
    elapsed = [point.elapsed_seconds for point in recorder.points]
    assert elapsed == sorted(elapsed)


class Crash(Exception):
    pass


class CrashAt(Recorder):
    """Dies while it is told of the point of `step`, as a killed process would: whatever came before is known."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def point(self, point: Point) -> None:
        super().point(point)
        if point.step == self._step:
            raise Crash


@pytest.mark.parametrize("step", [3, 5, 9])
def test_a_crash_costs_no_more_than_the_steps_since_the_last_checkpoint(
    undisturbed: Undisturbed, tmp_path: Path, step: int
) -> None:
    crashing = CrashAt(step)
    with pytest.raises(Crash):
        attempt(tiny(), tmp_path, sink=crashing, control=NullControl())
    recorder = run_to_end(tiny(), tmp_path)
    resumed_at = recorder.runs[0].step
    kept = [entry for entry in crashing.history() if entry[0] <= resumed_at]
    assert kept + recorder.history() == undisturbed.recorder.history()
    assert differences(final_state(tmp_path), undisturbed.state) == []


def test_a_stop_leaves_a_checkpoint_too(tmp_path: Path) -> None:
    recorder = Recorder()
    outcome = attempt(tiny(), tmp_path, sink=recorder, control=InterruptAfter(4, wish=Desired.STOP))
    assert (outcome.ending, outcome.step) == (Ending.STOPPED, 4)
    assert [saved.step for saved in recorder.checkpoints] == [4]


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    run_to_end(tiny(), tmp_path)
    again = run_to_end(tiny(), tmp_path)
    assert again.points == []
    assert again.checkpoints == []


def test_an_evaluation_that_is_still_due_is_announced(tmp_path: Path) -> None:
    attempt(tiny(), tmp_path, sink=Recorder(), control=InterruptAfter(7))
    recorder = run_to_end(tiny(), tmp_path)
    assert recorder.runs[0].step == 5
    assert recorder.runs[0].evaluation_due


def test_checkpoints_come_by_the_clock_as_well(tmp_path: Path) -> None:
    recorder = run_to_end(tiny(checkpoint_minutes=1e-9, epochs=1), tmp_path)
    assert [saved.step for saved in recorder.checkpoints] == [1, 2, 3, 4, 5]


def trained(folder: Path, **changes: Any) -> tuple[Recorder, dict[str, Any]]:
    recorder = run_to_end(tiny(epochs=1, **changes), folder)
    return recorder, final_state(folder)


def test_a_survival_of_one_trains_the_baseline_bit_for_bit(tmp_path: Path) -> None:
    _, sd = trained(tmp_path / "sd", sd=True, pL=1.0)
    _, baseline = trained(tmp_path / "baseline", sd=False)
    assert differences(sd["model"], baseline["model"]) == []
    assert differences(sd["momentum"], baseline["momentum"]) == []


def test_batch_norm_taken_again_leaves_the_training_untouched(tmp_path: Path) -> None:
    again, with_it = trained(tmp_path / "with", bn_reestimate=3)
    running, without_it = trained(tmp_path / "without", bn_reestimate=0)
    assert differences(with_it["model"], without_it["model"]) == []
    assert again.values("train/loss") == running.values("train/loss")
    assert again.values("val/loss") != running.values("val/loss")


def test_loader_processes_change_nothing(tmp_path: Path) -> None:
    alone, state = trained(tmp_path / "alone", loader_workers=0)
    beside, other = trained(tmp_path / "beside", loader_workers=2)
    assert alone.history() == beside.history()
    assert differences(state["model"], other["model"]) == []


def test_momentum_is_there_before_the_first_step_in_the_layout_of_its_weight(tmp_path: Path) -> None:
    attempt(tiny(), tmp_path, sink=Recorder(), control=InterruptAfter(0))
    content = load(newest_first(tmp_path)[0]).content
    weights = {name: tensor for name, tensor in content["model"].items() if name in content["momentum"]}
    assert len(weights) == 59
    for name, weight in weights.items():
        assert content["momentum"][name].stride() == weight.stride()
        assert not content["momentum"][name].any()


def test_twins_see_the_same_images_from_the_same_weights(tmp_path: Path) -> None:
    sd, baseline = (tiny(sd=sd) for sd in (True, False))
    for config, name in ((sd, "sd"), (baseline, "baseline")):
        attempt(config, tmp_path / name, sink=Recorder(), control=InterruptAfter(0))
    assert differences(final_state(tmp_path / "sd")["model"], final_state(tmp_path / "baseline")["model"]) == []


@pytest.mark.parametrize("changes", [{"lr": 0.2}, {"seed": 4}, {"image_size": 9}])
def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    attempt(tiny(), tmp_path, sink=Recorder(), control=InterruptAfter(1))
    (name,) = changes
    with pytest.raises(CheckpointMismatch, match=f"{name} was .* and is {changes[name]}"):
        run_to_end(tiny(**changes), tmp_path)


def test_another_thread_count_is_kept_from_changing_the_result(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    attempt(tiny(threads=None), tmp_path, sink=Recorder(), control=InterruptAfter(1))
    torch.set_num_threads(2)
    recorder = run_to_end(tiny(threads=None), tmp_path)
    assert recorder.runs[0].threads == 1
    assert recorder.notices == []


#: Weights overflow some steps before the loss does, because batch norm divides it away.
DIVERGING: dict[str, Any] = {"lr": 100, "weight_decay": 1, "warmup_epochs": 0, "epochs": 10, "bn_reestimate": 0}


@pytest.mark.parametrize("changes", [{}, {"checkpoint_minutes": 1e-9}, {"checkpoint_minutes": 1e-9, "ema": 0.9}])
def test_divergence_ends_the_training_and_is_not_saved(tmp_path: Path, changes: dict[str, Any]) -> None:
    recorder = Recorder()
    with pytest.raises(TrainingDiverged, match="stopped being finite by step"):
        attempt(tiny(**DIVERGING | changes), tmp_path, sink=recorder, control=NullControl())
    for path in newest_first(tmp_path):
        content = load(path).content
        for name in ("model", "average"):
            assert all(tensor.isfinite().all() for tensor in (content[name] or {}).values())
    assert len(newest_first(tmp_path)) >= 1
    assert None not in recorder.values("train/loss")


@pytest.mark.parametrize(
    ("changes", "remedies"),
    [
        ({}, "a lower lr (now 100), more warmup_epochs (now 0) or clip_grad"),
        (
            {"amp": "bf16", "clip_grad": 1e9},
            "a lower lr (now 100), more warmup_epochs (now 0) or amp off (now bf16)",
        ),
    ],
)
def test_divergence_names_the_remedies_that_are_left(tmp_path: Path, changes: dict[str, Any], remedies: str) -> None:
    with pytest.raises(TrainingDiverged, match=re.escape(f"begin a new one with {remedies}")) as ended:
        attempt(tiny(**DIVERGING | changes), tmp_path, sink=Recorder(), control=NullControl())
    with pytest.raises(TrainingDiverged, match=re.escape(str(ended.value))):
        attempt(tiny(**DIVERGING | changes), tmp_path, sink=Recorder(), control=NullControl())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize(
    ("changes", "remedy"), [({"device": "cuda"}, "set device to cpu"), ({"amp": "fp16"}, "set amp")]
)
def test_what_this_machine_does_not_have_is_refused(tmp_path: Path, changes: dict[str, Any], remedy: str) -> None:
    with pytest.raises(DeviceUnavailable, match=remedy):
        run_to_end(tiny(**changes), tmp_path)


@pytest.mark.parametrize(
    ("granted", "has_driver", "said"),
    [
        ("0", False, "(this machine has no driver of an NVIDIA GPU); set device to cpu or auto"),
        (None, False, "(this machine has no driver of an NVIDIA GPU); set"),
        ("", False, "(CUDA_VISIBLE_DEVICES '' grants none); set"),
        ("-1", True, "(CUDA_VISIBLE_DEVICES '-1' grants none); set"),
        ("7", True, "(the driver is here, but of those that CUDA_VISIBLE_DEVICES '7' grants it finds none; `./resdrop"),
        (None, True, "(the driver is here, but it finds none; `./resdrop doctor` looks for the cause); set"),
    ],
)
def test_why_there_is_no_gpu_is_said_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, granted: str | None, has_driver: bool, said: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(gpus, "NVIDIA_DRIVER", (str(tmp_path if has_driver else tmp_path / "none"),))
    if granted is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", granted)
    with pytest.raises(DeviceUnavailable, match=re.escape(f"torch sees no CUDA device here {said}")):
        settle(tiny(device="cuda"))


@pytest.mark.parametrize(
    ("granted", "said"), [("0,1,2,3", "2 CUDA devices here"), ("4,5", "2 CUDA devices that CUDA_VISIBLE_DEVICES '4,5'")]
)
def test_a_list_is_named_as_the_limit_only_where_it_is(
    monkeypatch: pytest.MonkeyPatch, granted: str, said: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", granted)
    with pytest.raises(DeviceUnavailable, match=f"devices 4 exceeds the {said}"):
        device_of(tiny(device="cuda", devices=4, batch=16))


def test_bf16_resumes_exactly_too(tmp_path: Path) -> None:
    config = tiny(amp="bf16", epochs=1)
    whole = run_to_end(config, tmp_path / "whole")
    parts = Recorder()
    attempt(config, tmp_path / "parts", sink=parts, control=InterruptAfter(2))
    run_to_end(config, tmp_path / "parts", sink=parts)
    assert parts.history() == whole.history()
    assert differences(final_state(tmp_path / "parts"), final_state(tmp_path / "whole")) == []


def test_a_setting_that_is_newer_than_the_checkpoint_had_its_default() -> None:
    config = tiny(label_smoothing=0.0)
    before = config.model_dump(mode="json")
    del before["label_smoothing"]
    assert differing_settings(before, config) == []
    assert differing_settings(before, tiny(label_smoothing=0.1)) == ["label_smoothing was 0.0 and is 0.1"]


def test_autotuning_is_told_of_and_ends_with_the_run_that_asked_for_it(tmp_path: Path) -> None:
    recorder = run_to_end(tiny(autotune=True, epochs=1), tmp_path)
    assert [text for text in recorder.notices if "only up to rounding" in text]
    assert torch.backends.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled()
    settle(tiny())
    assert not torch.backends.cudnn.benchmark
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("autotune", [True, False])
def test_compiled_kernels_are_chosen_by_measuring_only_where_asked(autotune: bool) -> None:
    compile_blocks(build_model(tiny(), num_classes=10), autotune=autotune)
    assert torch._inductor.config.deterministic is not autotune


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_memory_that_runs_out_is_told_with_its_remedies(error: Exception) -> None:
    told = reason_of(error, tiny())
    assert told.startswith("out of memory: raise accumulation (now 1), lower batch (256), image_size (8) or depth (20)")
    assert str(error) in told


def test_other_errors_are_told_as_they_are() -> None:
    assert reason_of(ValueError("no such shape"), tiny()) == "ValueError: no such shape"


def test_what_a_device_has_still_to_do_counts_as_training() -> None:
    seen: list[str] = []

    class Watched(Execution):
        def wait(self) -> None:
            seen.append("the device is waited for")

    settled = settle(tiny())
    plan = Plan(tiny(), digits.load(side=8), Watched(**vars(settled)))
    state = TrainingState(tiny(), num_classes=10, execution=settled)
    reporter = Reporter(NullSink(), plan=plan, state=state, clock=Clock(already=0.0))
    with reporter.standing_still():
        seen.append("an evaluation begins")
    assert seen == ["the device is waited for", "an evaluation begins"]
