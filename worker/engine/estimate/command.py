"""`estimate`: what a training with and without stochastic depth would take on this machine."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from worker.common.cores import usable_cores
from worker.contract.config import RunConfig
from worker.contract.datasets import DATASETS
from worker.engine import execution
from worker.engine.atomic import write_text
from worker.engine.data.errors import DataError
from worker.engine.data.images import Dataset
from worker.engine.data.loader_processes import loader_processes
from worker.engine.data.open import open_dataset
from worker.engine.estimate.measuring import measure_device, measure_loader
from worker.engine.estimate.outlook import Estimate, estimated
from worker.engine.estimate.probe import DoesNotFit
from worker.engine.estimate.synthetic import synthetic_dataset
from worker.engine.estimate.words import told
from worker.engine.execution import Execution
from worker.engine.outcome import DeviceUnavailable
from worker.engine.plan import Plan

BAD_INPUT, FAILED = 2, 1
#: The loader gets this share of the seconds.
LOADER_SHARE = 0.4


@dataclass(frozen=True)
class Question:
    """`has_images` is false where the images' number is taken from what is known of the dataset."""

    config: RunConfig
    has_images: bool
    seconds: float
    json: Path | None


def run(question: Question) -> int:
    """Prints the estimate. The exit code."""
    config = question.config
    try:
        dataset = open_dataset(config) if question.has_images else None
        settled = execution.settle(config)
        # Of the training, whose devices share the cores; here one of them is measured.
        processes = loader_processes(
            config, on_gpu=settled.device.type == "cuda", cores=usable_cores(), ranks=config.devices
        )
        config = config.model_copy(update={"loader_workers": processes.count})
        counted = _counted(config, dataset)
        cost = measure_device(config, counted, settled, seconds=question.seconds)
        loader = None
        if dataset is not None:
            loader = measure_loader(_plan(config, dataset, settled), seconds=LOADER_SHARE * question.seconds)
    except (DataError, DeviceUnavailable) as refusal:
        print(refusal, file=sys.stderr)
        return BAD_INPUT
    except DoesNotFit as error:
        print(f"not even two images at a time fit the memory: {error}; take a smaller network", file=sys.stderr)
        return FAILED
    estimate = estimated(config, counted, cost, loader, settled)
    for line in told(config, counted, estimate, settled, loader=str(processes)):
        print(line)
    if question.json is not None:
        return _write_json(question.json, _as_json(config, counted, estimate, settled))
    return 0


def _counted(config: RunConfig, dataset: Dataset | None) -> Dataset:
    """Noise in the numbers and the size of the images."""
    facts = DATASETS[config.dataset]
    train = len(dataset.train) if dataset else facts.train_images
    val = len(dataset.val) if dataset else facts.val_images
    classes = len(dataset.classes) if dataset else facts.classes
    assert train is not None
    assert val is not None
    assert classes is not None
    return synthetic_dataset(train=train, val=val, classes=classes, side=config.image_side)


def _plan(config: RunConfig, dataset: Dataset, settled: Execution) -> Plan:
    """One device's part of each batch."""
    part = {"devices": 1, "batch": config.batch // config.devices, "lr": config.peak_lr}
    return Plan(RunConfig.model_validate({**config.model_dump(mode="json"), **part}), dataset, settled)


def _as_json(config: RunConfig, dataset: Dataset, estimate: Estimate, settled: Execution) -> dict[str, Any]:
    return {
        "device": settled.device_name,
        "threads": settled.threads,
        "amp": settled.amp.value,
        "versions": execution.versions(),
        "config": config.model_dump(mode="json"),
        "train_images": len(dataset.train),
        "time_saved": estimate.time_saved,
        **asdict(estimate),
    }


def _write_json(path: Path, content: dict[str, Any]) -> int:
    try:
        write_text(path, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        print(f"--json {path} cannot be written: {error.strerror}", file=sys.stderr)
        return BAD_INPUT
    return 0
