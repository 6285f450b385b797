"""Everything of a training that does not move: what follows from the configuration, the images and the machine."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from worker.common.cores import usable_cores
from worker.contract.config import RunConfig
from worker.engine import execution
from worker.engine.augment import Augment
from worker.engine.compute import count_compute
from worker.engine.data import shared_memory
from worker.engine.data.images import Augmentation, Batch, Dataset, Images
from worker.engine.data.loader import batches
from worker.engine.data.loader_processes import loader_processes
from worker.engine.data.order import Request, TrainingOrder, in_order, in_parts, sample
from worker.engine.data.prefetch import on_device
from worker.engine.data.together import DamageLog, faint_of, together
from worker.engine.execution import Execution
from worker.engine.resnet import skeleton, survival_rule
from worker.engine.schedule import schedule_of
from worker.engine.stochastic_depth import GateKeeper

Batches = Generator[Batch, None, None]


class Plan:
    def __init__(self, config: RunConfig, dataset: Dataset, settled: Execution) -> None:
        self.config = config
        self.dataset = dataset
        self.execution = settled
        self.device = settled.device
        self.parts = config.devices * config.accumulation
        ranks = settled.ranks
        self.order = TrainingOrder(
            images=len(dataset.train),
            batch=config.batch,
            seed=config.seed,
            rank=ranks.rank,
            ranks=ranks.count,
            accumulation=config.accumulation,
        )
        self.steps_per_epoch = self.order.steps_per_epoch
        self.total_steps = config.epochs * self.steps_per_epoch
        self.schedule = schedule_of(config, steps_per_epoch=self.steps_per_epoch)
        self.compute = count_compute(depth=config.depth, num_classes=len(dataset.classes), image_side=config.image_side)
        self.gate_keeper = GateKeeper(
            mode=config.sd_mode, seed=config.seed, survival=survival_of(config), batch=config.batch
        )
        self.augment = Augment(config, dataset, self.device)
        self._augmentation = Augmentation(config.seed, crop_padding=config.crop_padding)
        self.damage = DamageLog(ranks)
        self.faint = DamageLog(ranks, of=faint_of)
        self.loader = loader_processes(
            config, on_gpu=self.device.type == "cuda", cores=usable_cores(), ranks=ranks.local_count
        )
        self._shortage = shared_memory.shortage(
            batch_bytes=3 * config.micro_batch * config.image_side**2,
            workers=self.loader.count,
            processes=ranks.local_count,
        )

    def notices(self) -> list[str]:
        """What a person should know of the images, and of how they are computed, before they are trained on."""
        shortage = [self._shortage] if self._shortage else []
        return [*self.dataset.notices, *shortage, *execution.notices(self.config, self.device)]

    def epoch(self, step: int) -> float:
        """How many epochs `step` steps make."""
        return step / self.steps_per_epoch

    def training_batches(self, *, start: int, micro: int = 0) -> Batches:
        """This rank's augmented micro-batches, from micro-batch `micro` of step `start` on."""
        return self._batches(self.dataset.train, self.order.requests(start, self.total_steps, micro=micro))

    def validation_batches(self) -> Batches:
        """This rank's share of the validation images; over all ranks each of them once. The last may be empty."""
        ranks, val = self.execution.ranks, self.dataset.val
        requests = in_order(len(val), batch=self.config.micro_batch, rank=ranks.rank, ranks=ranks.count)
        return self._batches(val, requests)

    def batch_norm_batches(self, *, epoch: int, batch: int | None = None) -> Batches:
        """Plain training images for `bn_reestimate`, others in each epoch, the same for twins and on all ranks.

        They are drawn in batches of `batch`, which is the micro-batch unless given, and computed in batches of no more
        than the micro-batch.
        """
        config, train = self.config, self.dataset.train
        drawn = batch or config.micro_batch
        chosen = sample(len(train), batch=drawn, batches=config.bn_reestimate, seed=config.seed, epoch=epoch)
        return self._batches(train, in_parts(chosen, most=config.micro_batch))

    def _batches(self, images: Images, requests: Iterable[Request]) -> Batches:
        fetched = batches(
            images,
            requests,
            augmentation=self._augmentation,
            workers=self.loader.count,
            pin_memory=self.device.type == "cuda",
            piped=self._shortage is not None,
        )
        return together(on_device(self.faint.noted(self.damage.noted(fetched)), self.device), self.execution.ranks)


def survival_of(config: RunConfig) -> tuple[float, ...]:
    """Of each block in training; all 1 without stochastic depth."""
    return skeleton(depth=config.depth, num_classes=1, survival=survival_rule(config)).survival
