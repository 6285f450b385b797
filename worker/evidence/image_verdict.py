"""An arm against the reference, image by image: counts, intervals, and the images and classes that it wins or loses."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from worker.contract.arms import ARM_TITLES
from worker.contract.text import shown
from worker.evidence import image_words as words
from worker.evidence.images import (
    Consistent,
    PairOfNetworks,
    class_differences,
    consistent_classes,
    consistent_images,
    pair_of_networks,
    seeds_and_images_interval,
)
from worker.evidence.predictions import Predictions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: So many images and classes are named of each side.
MOST_IMAGES, MOST_CLASSES = 12, 10


@dataclass(frozen=True)
class Network:
    """One trained network: the run that trained it, its seed, and what it guesses; None where that was not kept."""

    run: str
    seed: int
    predictions: Predictions | None


class ImagePair(PairOfNetworks):
    """The two networks of a seed."""

    seed: int


class JudgedImage(BaseModel):
    """`right` and `reference_right` are how many of the arm's and the reference's networks guess it right.

    `run` is one that guesses it wrong. `p_adjusted` is None where it could not be tested.
    """

    model_config = ConfigDict(frozen=True)

    index: int
    name: str | None
    label: str
    right: int
    reference_right: int
    p_adjusted: float | None
    run: str


class JudgedClass(BaseModel):
    """`difference` is of the class's accuracy, in points, in the mean over the seeds."""

    model_config = ConfigDict(frozen=True)

    name: str
    images: int
    difference: float
    p_adjusted: float | None


class ImageContrast(BaseModel):
    """`low` and `high` bound the mean difference for other seeds and other images; None for a single seed.

    `won_images` and `lost_images` are how many are won or lost consistently, with false discoveries held at 5 %; so are
    `won_classes` and `lost_classes`, the most certain first. `most_won` and `most_lost` are the images on which the
    arms differ most, whether that is more than chance or not. `seeds` are those of which both networks are known.
    """

    model_config = ConfigDict(frozen=True)

    seeds: list[int]
    images: int
    pairs: list[ImagePair]
    judged_differently: float
    low: float | None
    high: float | None
    tested_images: int
    won_images: int
    lost_images: int
    tested_classes: int
    won_classes: list[JudgedClass]
    lost_classes: list[JudgedClass]
    most_won: list[JudgedImage]
    most_lost: list[JudgedImage]
    sentences: list[str]


#: By arm: what its images say, and of which seeds they cannot be compared.
Found = Mapping[str, tuple[ImageContrast | None, tuple[str, ...]]]


def compare_arms(arms: Sequence[tuple[str, Sequence[Network]]], confidence: float) -> Found:
    """Each against the first of them."""
    (reference, networks), *others = arms
    found = {}
    for arm, its_networks in others:
        titles = (ARM_TITLES.get(arm, arm), ARM_TITLES.get(reference, reference))
        images, left_out = compare_images(networks, its_networks, confidence=confidence, titles=titles)
        found[arm] = (images, tuple(left_out))
    return found


def compare_images(
    reference: Sequence[Network], arm: Sequence[Network], *, confidence: float, titles: tuple[str, str]
) -> tuple[ImageContrast | None, list[str]]:
    """None where no seed has both networks' predictions of the same images; and why seeds are left out, in sentences.

    `titles` are how sentences call the arm and the reference.
    """
    pairs, left_out = _usable(reference, arm)
    if not pairs:
        return None, left_out
    return _Contrast(pairs, confidence).judged(titles), left_out


class _Contrast:
    def __init__(self, pairs: Sequence[tuple[Network, Network]], confidence: float) -> None:
        import numpy as np

        self._pairs = pairs
        self._confidence = confidence
        self._facts = _predictions(pairs[0][0])
        #: A file that one of them could not decode another may have.
        self._labels = np.max([_predictions(network).labels for pair in pairs for network in pair], axis=0)
        self._first = np.stack([_predictions(one).is_right for one, _ in pairs])
        self._second = np.stack([_predictions(other).is_right for _, other in pairs])

    def judged(self, titles: tuple[str, str]) -> ImageContrast:
        classes = len(self._facts.classes)
        by_image = consistent_images(self._first, self._second)
        by_class = consistent_classes(self._first, self._second, self._labels, classes)
        bounds = seeds_and_images_interval(self._first, self._second, self._confidence)
        found = ImageContrast(
            seeds=[one.seed for one, _ in self._pairs],
            images=self._first.shape[1],
            pairs=self._image_pairs(),
            judged_differently=float((self._first != self._second).mean()),
            low=bounds[0] if bounds else None,
            high=bounds[1] if bounds else None,
            tested_images=by_image.tested,
            won_images=int(by_image.won.sum()),
            lost_images=int(by_image.lost.sum()),
            tested_classes=by_class.tested,
            won_classes=self._classes(by_class, by_class.won),
            lost_classes=self._classes(by_class, by_class.lost),
            most_won=self._most(by_image, sign=1),
            most_lost=self._most(by_image, sign=-1),
            sentences=[],
        )
        return found.model_copy(update={"sentences": words.sentences(found, titles, self._confidence)})

    def _image_pairs(self) -> list[ImagePair]:
        rows = zip(self._pairs, self._first, self._second, strict=True)
        return [
            ImagePair(seed=pair[0].seed, **dict(pair_of_networks(first, second, self._confidence)))
            for pair, first, second in rows
        ]

    def _most(self, found: Consistent, *, sign: int) -> list[JudgedImage]:
        """By how many more seeds, then by their place."""
        import numpy as np

        gains = sign * (self._second.sum(0).astype(np.int64) - self._first.sum(0))
        order = np.argsort(-gains, kind="stable")[:MOST_IMAGES]
        return [self._image(int(index), found, sign) for index in order if gains[index] > 0]

    def _image(self, index: int, found: Consistent, sign: int) -> JudgedImage:
        names, label = self._facts.names, int(self._labels[index])
        side = 0 if sign > 0 else 1
        right = (self._first, self._second)[side][:, index]
        mistaken = next(pair[side] for pair, is_right in zip(self._pairs, right, strict=True) if not is_right)
        return JudgedImage(
            index=index,
            name=None if names is None else shown(os.fsdecode(bytes(names[index]))),
            label=self._facts.classes[label],
            right=int(self._second[:, index].sum()),
            reference_right=int(self._first[:, index].sum()),
            p_adjusted=_known(found.p_adjusted[index]),
            run=mistaken.run,
        )

    def _classes(self, found: Consistent, chosen: npt.NDArray[np.bool_]) -> list[JudgedClass]:
        import numpy as np

        differences = class_differences(self._first, self._second, self._labels, len(self._facts.classes))
        counts = np.bincount(self._labels[self._labels >= 0], minlength=len(self._facts.classes))
        order = np.flatnonzero(chosen)
        order = order[np.argsort(found.p_adjusted[order], kind="stable")][:MOST_CLASSES]
        return [
            JudgedClass(
                name=self._facts.classes[index],
                images=int(counts[index]),
                difference=float(differences[:, index].mean()),
                p_adjusted=_known(found.p_adjusted[index]),
            )
            for index in order
        ]


def _usable(reference: Sequence[Network], arm: Sequence[Network]) -> tuple[list[tuple[Network, Network]], list[str]]:
    """The networks of each seed that both are known, on the images of the first of them."""
    others = {network.seed: network for network in arm}
    pairs: list[tuple[Network, Network]] = []
    left_out = []
    for one in reference:
        other = others.get(one.seed)
        if other is None:
            continue
        if one.predictions is None or other.predictions is None:
            left_out.append(f"seed {one.seed}: the predictions of a run were not kept, or are not on this machine")
        elif not _is_alike(one, other) or (pairs and not _is_alike(one, pairs[0][0])):
            left_out.append(f"seed {one.seed}: its networks were not measured on the same images")
        else:
            pairs.append((one, other))
    return pairs, left_out


def _is_alike(one: Network, other: Network) -> bool:
    first, second = _predictions(one), _predictions(other)
    return first.images == second.images and first.labels.shape == second.labels.shape


def _predictions(network: Network) -> Predictions:
    assert network.predictions is not None
    return network.predictions


def _known(value: Any) -> float | None:
    return float(value) if value == value else None
