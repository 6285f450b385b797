"""What a release of ImageNet consists of."""

from __future__ import annotations

from dataclasses import dataclass


class PrepareRefused(ValueError):
    """Something that was given is missing or wrong; says what, and what to do. Nothing was lost."""


class PrepareFailed(RuntimeError):
    """The work could not be finished, or its result is not whole. The same command goes on from there."""


@dataclass(frozen=True)
class Archive:
    """A file by its official name, and the MD5 sum of the whole file."""

    name: str
    md5: str


@dataclass(frozen=True)
class Release:
    """Three archives, and what has to come out of them."""

    title: str
    train: Archive
    val: Archive
    devkit: Archive
    classes: int
    train_images: int
    val_images: int

    @property
    def archives(self) -> tuple[Archive, ...]:
        return (self.train, self.val, self.devkit)


#: Names and sums as image-net.org publishes them.
ILSVRC2012 = Release(
    title="ImageNet (ILSVRC 2012)",
    train=Archive("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),
    val=Archive("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"),
    devkit=Archive("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"),
    classes=1000,
    train_images=1_281_167,
    val_images=50_000,
)
