"""The parts of the recipe beyond the paper's, each in a training."""

from __future__ import annotations

import copy
import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tests.engine.parts import InterruptAfter, Recorder, attempt, differences, final_state, run_to_end, tiny
from worker.contract.config import RunConfig
from worker.engine.augment import Targets, mixup_share
from worker.engine.checkpoint import load, newest_first
from worker.engine.compute import count_compute
from worker.engine.data.open import open_dataset
from worker.engine.execution import refuse_unless_compilable, settle
from worker.engine.gathering import added_back, spread, taken_out
from worker.engine.optimizer import sgd
from worker.engine.outcome import DeviceUnavailable, Ending
from worker.engine.plan import Plan
from worker.engine.resnet import ResNet, Survival, build
from worker.engine.state import TrainingState
from worker.engine.step import accumulate, finish_step
from worker.engine.stochastic_depth import GateKeeper, Rows, _subsets, image_gates, survival_probabilities
from worker.engine.weight_average import WeightAverage

EVERYTHING: dict[str, Any] = {
    "batch": 192,
    "accumulation": 2,
    "ema": 0.9,
    "mixup": 0.2,
    "color_jitter": 0.4,
    "label_smoothing": 0.1,
    "nesterov": True,
    "decay_norms": False,
    "clip_grad": 1.0,
    "epochs": 1,
}
#: A step of EVERYTHING asks twice; 7 steps, then 2 batches for batch norm and 4 of validation.
QUESTIONS = 20


@pytest.fixture(scope="module", params=["batch", "row", "subset"])
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    config = tiny(**EVERYTHING, sd_mode=request.param)
    return config, run_to_end(config, folder), final_state(folder)


#: 1 and 7 lie between two micro-batches of a step.
@pytest.mark.parametrize("questions", [1, 7, 8, 15, 18])
def test_a_pause_anywhere_changes_nothing_with_the_whole_recipe(
    undisturbed: tuple[RunConfig, Recorder, Any], tmp_path: Path, questions: int
) -> None:
    config, told, state = undisturbed
    recorder = Recorder()
    outcome = attempt(config, tmp_path, sink=recorder, control=InterruptAfter(questions))
    assert outcome.ending is Ending.PAUSED
    assert load(newest_first(tmp_path)[0]).content["micro"] == (questions % 2 if questions < 14 else 0)
    run_to_end(config, tmp_path, sink=recorder)
    assert recorder.history() == told.history()
    assert differences(final_state(tmp_path), state) == []


def test_the_gradient_of_micro_batches_is_that_of_the_batch() -> None:
    """Of parts that are alike, so that each part's statistics for batch norm are those of the whole."""
    dataset = open_dataset(tiny())
    part = dataset.train.plain(np.arange(64))
    gradients = []
    for parts in (1, 4):
        config = tiny(batch=256, accumulation=parts)
        settled = settle(config)
        plan, state = Plan(config, dataset, settled), TrainingState(config, num_classes=10, execution=settled)
        batch = type(part)(*(torch.cat([torch.as_tensor(column)] * (4 // parts)) for column in part))
        for _ in range(parts):
            accumulate(batch, plan=plan, state=state)
        gradients.append({name: p.grad for name, p in state.model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert (gradient - gradients[1][name]).norm() < 0.01 * gradient.norm() + 1e-5, name


def test_evaluations_come_every_so_many_epochs_and_at_the_end(tmp_path: Path) -> None:
    recorder = run_to_end(tiny(epochs=5, eval_every=2, bn_reestimate=0), tmp_path)
    assert [point.epoch for point in recorder.points if "val/top1" in point.values] == [2.0, 4.0, 5.0]


def test_the_average_is_what_is_evaluated(tmp_path: Path) -> None:
    """A decay of almost one keeps the first weights, whatever the training does."""
    settings: dict[str, Any] = {"sd": False, "bn_reestimate": 0}
    recorder = run_to_end(tiny(ema=1 - 1e-12, **settings), tmp_path)
    plain = run_to_end(tiny(**settings), tmp_path / "plain")
    assert recorder.values("train/loss") == plain.values("train/loss")
    first, second = recorder.values("val/loss")
    assert first == pytest.approx(second, rel=1e-5)
    first, second = plain.values("val/loss")
    assert first != pytest.approx(second, rel=1e-3)


def test_an_average_moves_by_the_rest_of_its_decay() -> None:
    model = build(depth=20, num_classes=10)
    average = WeightAverage(model, decay=0.75)
    before = copy.deepcopy(average.tensors)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1.0
    average.update()
    for name, _ in model.named_parameters():
        assert torch.allclose(average.tensors[name], before[name] + 0.25)


def test_norms_and_biases_are_spared_the_decay_where_asked() -> None:
    model = build(depth=20, num_classes=10)
    decayed, spared = sgd(model, tiny(decay_norms=False)).param_groups
    assert {parameter.ndim for parameter in spared["params"]} == {1}
    assert (decayed["weight_decay"], spared["weight_decay"]) == (1e-4, 0.0)
    assert len(decayed["params"]) + len(spared["params"]) == len(list(model.parameters()))
    assert len(sgd(model, tiny()).param_groups) == 1


def test_a_long_gradient_is_cut_to_its_limit(tmp_path: Path) -> None:
    """The first momentum is the gradient itself, where nothing decays."""
    settings: dict[str, Any] = {"weight_decay": 0.0, "sd": False}
    for name, clip in (("cut", 1e-3), ("free", None)):
        config = tiny(clip_grad=clip, **settings)
        attempt(config, tmp_path / name, sink=Recorder(), control=InterruptAfter(1))
    cut, free = (momentum(tmp_path / name) for name in ("cut", "free"))
    assert cut.norm().item() == pytest.approx(1e-3, rel=1e-3)
    assert torch.allclose(cut / cut.norm(), free / free.norm(), atol=1e-5)


def momentum(folder: Path) -> Tensor:
    content = load(newest_first(folder)[0]).content["momentum"]
    return torch.cat([part.flatten() for part in content.values()])


def test_mixup_blends_losses_and_counts_hits_by_their_shares() -> None:
    logits = torch.randn(6, 10, generator=torch.Generator().manual_seed(1))
    labels, partners = logits.argmax(1), (logits.argmax(1) + 1) % 10
    targets = Targets(labels, partners, 0.7)
    blended = 0.7 * torch.nn.functional.one_hot(labels, 10) + 0.3 * torch.nn.functional.one_hot(partners, 10)
    assert torch.allclose(targets.loss(logits), cross_entropy(logits, blended))
    assert targets.hits(logits)[0].item() == pytest.approx(0.7 * 6)
    assert Targets(labels).hits(logits)[0] == 6


def test_shares_of_mixup_are_keyed_by_the_step_and_spread_like_their_distribution() -> None:
    shares = np.array([mixup_share(0.2, seed=1, step=step) for step in range(4000)])
    assert shares[7] == mixup_share(0.2, seed=1, step=7)
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert shares.var() == pytest.approx(1 / (4 * (2 * 0.2 + 1)), abs=0.01)


SURVIVAL = survival_probabilities(blocks=9, pL=0.5)


def test_each_image_has_gates_of_its_own_that_no_company_changes() -> None:
    whole = image_gates(seed=1, step=5, survival=SURVIVAL, positions=np.arange(4000))
    assert np.abs(whole.mean(0) - SURVIVAL).max() < 0.04
    part = image_gates(seed=1, step=5, survival=SURVIVAL, positions=np.array([17, 3]))
    assert (part == whole[[17, 3]]).all()


def keeper(mode: Any) -> GateKeeper:
    return GateKeeper(mode=mode, seed=3, survival=SURVIVAL, batch=16)


@pytest.fixture
def model() -> ResNet:
    return build(depth=20, num_classes=10, survival=Survival(pL=0.5), seed=1)


def test_a_mask_and_a_subset_give_the_same_images_where_norms_have_fixed_statistics(model: ResNet) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    images = torch.randn(16, 3, 16, 16)
    outputs = [
        model(images, gates=keeper(mode).gates(step=2, positions=np.arange(16), device=torch.device("cpu")))
        for mode in ("row", "subset")
    ]
    assert torch.allclose(*outputs, atol=1e-5)


def test_a_subset_computes_only_the_images_it_keeps(model: ResNet) -> None:
    gates = keeper("subset").gates(step=2, positions=np.arange(16), device=torch.device("cpu"))
    seen: dict[int, int] = {}
    for place, block in enumerate(model.blocks()):
        block.conv1.register_forward_pre_hook(  # type: ignore[operator,union-attr]
            lambda _module, inputs, place=place: seen.update({place: len(inputs[0])})
        )
    model(torch.randn(16, 3, 16, 16), gates=gates)
    assert seen == {place: gate.images if isinstance(gate, Rows) else 16 for place, gate in enumerate(gates) if gate}
    assert min(seen.values()) < 12


def test_images_come_to_their_places_by_reading_as_by_adding() -> None:
    """What a GPU does, and what a CPU does."""
    is_open = np.random.default_rng(0).random((16, 3)) < 0.5
    for gate in _subsets(is_open, torch.device("cpu")):
        assert isinstance(gate, Rows)
        assert gate.kept is not None
        assert gate.places is not None
        parts = torch.randn(gate.images, 4, 5)
        added = torch.zeros(16, 4, 5).index_add(0, gate.kept, parts)
        assert torch.equal(spread(parts, places=gate.places), added)


def test_gradients_of_gathered_images_are_torchs_own() -> None:
    kept, places = torch.tensor([0, 2]), torch.tensor([0, 2, 1, 2])
    images, weights = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3)
    own = added_back(images, taken_out(images, kept=kept, places=places) ** 2, kept=kept, places=places)
    torchs = images.index_add(0, kept, images.index_select(0, kept) ** 2)
    assert torch.equal(own, torchs)
    gradients = [torch.autograd.grad(result, images, weights)[0] for result in (own, torchs)]
    assert torch.equal(*gradients)


def test_only_what_is_left_out_counts_as_saved() -> None:
    compute = count_compute(depth=20, num_classes=10, image_side=32)
    for mode, saves in (("batch", True), ("row", False), ("subset", True)):
        shares = keeper(mode).open_shares(step=2)
        assert (compute.share(keeper(mode).computed_shares(shares)) < 1.0) is saves


@pytest.mark.parametrize("mode", ["batch", "row", "subset"])
def test_depth_and_compute_are_told_of_what_ran(mode: str) -> None:
    config = tiny(batch=64, accumulation=2, sd_mode=mode)
    dataset, settled = open_dataset(config), settle(config)
    plan, state = Plan(config, dataset, settled), TrainingState(config, num_classes=10, execution=settled)
    ran = dict.fromkeys(range(9), 0.0)
    for place, block in enumerate(state.model.blocks()):
        block.conv1.register_forward_pre_hook(  # type: ignore[operator,union-attr]
            lambda _module, inputs, place=place: ran.update({place: ran[place] + len(inputs[0]) / 64})
        )
    for batch in itertools.islice(plan.training_batches(start=0), 2):
        accumulate(batch, plan=plan, state=state)
    finish_step(plan=plan, state=state)
    kept = image_gates(seed=config.seed, step=0, survival=SURVIVAL, positions=np.arange(64)).mean(0).sum()
    blocks, compute = state.depth_meter.means()
    assert blocks == pytest.approx(kept if mode == "row" else sum(ran.values()))
    assert compute == pytest.approx(plan.compute.share(list(ran.values())))


def test_blocks_that_change_the_shape_can_be_spared(model: ResNet) -> None:
    spared = build(depth=20, num_classes=10, survival=Survival(pL=0.5, transitions=False))
    assert [block for block, p in enumerate(spared.survival) if p == 1.0] == [3, 6]
    assert [p for block, p in enumerate(spared.survival) if block not in (3, 6)] == [
        p for block, p in enumerate(model.survival) if block not in (3, 6)
    ]


def test_branches_can_be_scaled_in_training_instead() -> None:
    block = build(depth=20, num_classes=10, survival=Survival(pL=0.5, scale="train")).blocks()[8]
    x = torch.randn(2, 64, 2, 2)
    assert torch.allclose(block(x), x + 2.0 * block.branch(torch.relu(block.bn1(x))))
    block.eval()
    assert torch.equal(block(x), x + block.branch(torch.relu(block.bn1(x))))


@pytest.mark.parametrize("dropped", ["zero", "frozen"])
def test_dropped_blocks_move_or_stand_still_as_asked(tmp_path: Path, dropped: str) -> None:
    config = tiny(sd_dropped=dropped, pL=0.05, weight_decay=0.1)
    for name, questions in (("before", 0), ("after", 1)):
        attempt(config, tmp_path / name, sink=Recorder(), control=InterruptAfter(questions))
    before, after = (load(newest_first(tmp_path / name)[0]).content["model"] for name in ("before", "after"))
    is_open = keeper_of(config).gates(step=0, positions=np.arange(256), device=torch.device("cpu"))
    assert not all(is_open)
    for place, (stage, block) in enumerate(itertools.product(range(3), range(3))):
        name = f"stages.{stage}.{block}.conv1.weight"
        stands_still = torch.equal(before[name], after[name])
        assert stands_still is (dropped == "frozen" and not is_open[place])


# torch's own tracing looks at gradients of inner tensors, and silences what it says of that only by default.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
# torch 2.11 makes one itself where it traces an autograd function.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.skipif(shutil.which("g++") is None, reason="refused without a compiler, which the next test shows")
@pytest.mark.parametrize("sd_mode", ["batch", "subset"])
def test_compiled_blocks_train_like_others_and_resume_with_the_same_bits(tmp_path: Path, sd_mode: str) -> None:
    settings: dict[str, Any] = {"epochs": 1, "bn_reestimate": 0, "sd_mode": sd_mode}
    plain = run_to_end(tiny(**settings), tmp_path / "plain")
    config = tiny(compile=True, **settings)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = run_to_end(config, tmp_path / "compiled")
    # Open and closed, in training and in an evaluation, and one image or more: not for each number of images.
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] < 40
    for loss, other in zip(plain.values("train/loss"), compiled.values("train/loss"), strict=True):
        assert loss == pytest.approx(other, rel=0.02)
    recorder = Recorder()
    attempt(config, tmp_path / "paused", sink=recorder, control=InterruptAfter(2))
    # What was compiled before the pause is gone, as in a new process.
    torch._dynamo.reset()
    run_to_end(config, tmp_path / "paused", sink=recorder)
    assert recorder.history() == compiled.history()
    assert differences(final_state(tmp_path / "paused"), final_state(tmp_path / "compiled")) == []


def test_compiling_without_a_compiler_is_refused_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(DeviceUnavailable, match="compile needs the C\\+\\+ compiler no-such-compiler"):
        run_to_end(tiny(compile=True), tmp_path)


@pytest.mark.parametrize(("device", "said"), [("cpu", "g\\+\\+ on a CPU"), ("cuda", "gcc or clang on a GPU")])
def test_the_compiler_that_a_device_needs_is_named(monkeypatch: pytest.MonkeyPatch, device: str, said: str) -> None:
    monkeypatch.setenv("PATH", "")
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DeviceUnavailable, match=said):
        refuse_unless_compilable(tiny(compile=True), torch.device(device))


def keeper_of(config: RunConfig) -> GateKeeper:
    survival = survival_probabilities(blocks=9, pL=config.pL)
    return GateKeeper(mode=config.sd_mode, seed=config.seed, survival=survival, batch=config.batch)
