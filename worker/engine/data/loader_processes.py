"""How many processes load images beside a training, where nobody has said."""

from __future__ import annotations

from dataclasses import dataclass

from worker.contract.config import RunConfig
from worker.contract.datasets import CLASS_FOLDERS

#: A core decodes some 500 photographs a second; so many serve any GPU, and beyond them one disk is the limit.
MOST = 16
#: In pixels a side. A batch of 128 images of CIFAR is cropped in 0.5 ms, which is what handing it over would take.
SMALL = 64


@dataclass(frozen=True)
class LoaderProcesses:
    """`count` of them, and why so many, for a person; "" where it was configured."""

    count: int
    why: str = ""

    def __str__(self) -> str:
        what = "1 loader process" if self.count == 1 else f"{self.count} loader processes"
        return f"{what} ({self.why})" if self.why else what


def loader_processes(config: RunConfig, *, on_gpu: bool, cores: int, ranks: int) -> LoaderProcesses:
    """Of each rank, where `ranks` of the training share these cores. They change nothing in what is trained on."""
    if config.loader_workers is not None:
        return LoaderProcesses(config.loader_workers)
    if config.dataset not in CLASS_FOLDERS and config.image_side <= SMALL:
        return LoaderProcesses(0, "small images, held in memory")
    share = max(1, cores // ranks)
    shared = f"{cores} core{'s' if cores > 1 else ''}" + (f" for {ranks} ranks" if ranks > 1 else "")
    if on_gpu:
        # One core is the training process's own, which has to keep the GPU busy.
        return LoaderProcesses(max(1, min(MOST, share - 1)), f"chosen for a GPU and {shared}")
    # Training takes all cores itself; one process reads ahead.
    return LoaderProcesses(1 if share > 1 else 0, f"chosen for a CPU with {shared}")
