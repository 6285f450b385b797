"""Everything of a training that does not move: what follows from the configuration, the images and the machine."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from worker.contract.config import RunConfig
from worker.engine.compute import count_compute
from worker.engine.data.images import Augmentation, Batch, Dataset, Images, Normalise
from worker.engine.data.loader import batches
from worker.engine.data.order import Request, TrainingOrder, in_order, sample
from worker.engine.execution import Execution
from worker.engine.schedule import schedule_of

Batches = Generator[Batch, None, None]


class Plan:
    def __init__(self, config: RunConfig, dataset: Dataset, execution: Execution) -> None:
        self.config = config
        self.dataset = dataset
        self.execution = execution
        self.device = execution.device
        self.order = TrainingOrder(images=len(dataset.train), batch=config.batch, seed=config.seed)
        self.steps_per_epoch = self.order.steps_per_epoch
        self.total_steps = config.epochs * self.steps_per_epoch
        self.schedule = schedule_of(config, steps_per_epoch=self.steps_per_epoch)
        self.compute = count_compute(depth=config.depth, num_classes=len(dataset.classes), image_side=config.image_side)
        self.normalise = Normalise(dataset, self.device)
        self._augmentation = Augmentation(config.seed, crop_padding=config.crop_padding, flip=config.flips)

    def epoch(self, step: int) -> float:
        """How many epochs `step` steps make."""
        return step / self.steps_per_epoch

    def training_batches(self, *, start: int) -> Batches:
        """The augmented batches of all steps from `start` on."""
        return self._batches(self.dataset.train, self.order.requests(start, self.total_steps))

    def validation_batches(self) -> Batches:
        return self._batches(self.dataset.val, in_order(len(self.dataset.val), batch=self.config.batch))

    def batch_norm_batches(self, *, epoch: int) -> Batches:
        """Plain training images for `bn_reestimate`, others in each epoch and the same for twins."""
        config, train = self.config, self.dataset.train
        chosen = sample(len(train), batch=config.batch, batches=config.bn_reestimate, seed=config.seed, epoch=epoch)
        return self._batches(train, chosen)

    def _batches(self, images: Images, requests: Iterable[Request]) -> Batches:
        return batches(
            images,
            requests,
            augmentation=self._augmentation,
            workers=self.config.loader_workers,
            pin_memory=self.device.type == "cuda",
        )
