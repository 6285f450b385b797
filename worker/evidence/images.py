"""Which validation images an arm's networks get right and the reference's wrong, and what that says.

`right` arrays are [seeds, images] of bool, of the same images in the same order. An image is won where the arm alone is
right, lost where the reference alone is.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]

#: Of those that are called won or lost consistently, so large a share may be so by chance (in expectation).
FALSE_DISCOVERIES = 0.05


class PairOfNetworks(BaseModel):
    """Two networks on the same images: counts, the difference of their accuracies in points with its interval, and p.

    They speak of these two networks and of images like these, not of networks trained with other seeds.
    """

    model_config = ConfigDict(frozen=True)

    won: int
    lost: int
    difference: float
    low: float
    high: float
    p: float


def pair_of_networks(reference: Bools, arm: Bools, confidence: float) -> PairOfNetworks:
    """Of one seed, [images] each. `p` is of McNemar's exact test, 1 where no image is judged differently.

    McNemar: Note on the sampling error of the difference between correlated proportions. Psychometrika 12 (1947),
    153-157. The interval is the adjusted one of Bonett and Price: J. Educ. Behav. Stat. 37 (2012), 479-488, which has
    a width even where no image is judged differently.
    """
    from scipy.stats import binomtest, norm

    images = len(reference)
    won, lost = int((arm & ~reference).sum()), int((reference & ~arm).sum())
    p = float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
    won_share, lost_share = (won + 1) / (images + 2), (lost + 1) / (images + 2)
    middle = won_share - lost_share
    error = math.sqrt((won_share + lost_share - middle**2) / (images + 2))
    half = float(norm.ppf((1 + confidence) / 2)) * error
    low, high = max(-1.0, middle - half), min(1.0, middle + half)
    difference = 100 * (won - lost) / images
    return PairOfNetworks(won=won, lost=lost, difference=difference, low=100 * low, high=100 * high, p=p)


def seeds_and_images_interval(reference: Bools, arm: Bools, confidence: float) -> tuple[float, float] | None:
    """Of the mean difference in points, for other seeds and other images of the same kind; None for a single seed.

    The variance is what resampling seeds and images together estimates, without what that counts up to three times
    (Owen: The pigeonhole bootstrap. Ann. Appl. Stat. 1 (2007), 386-411, equation 8): with a random effect of each seed,
    of each image and of both, the mean over the table varies by that of the seeds' means over the seeds, and by that of
    what an image has in common over all seeds, over the images. Student's quantile is taken, for seeds are few.
    """
    seeds = len(reference)
    if seeds < 2:
        return None
    import numpy as np
    from scipy.special import stdtrit

    differences = arm.astype(np.float64) - reference
    means = differences.mean(1)
    covariance = np.cov(differences)
    in_common = (float(covariance.sum()) - float(np.trace(covariance))) / (seeds * (seeds - 1))
    variance = float(means.var(ddof=1)) / seeds + max(0.0, in_common) / differences.shape[1]
    half = float(stdtrit(seeds - 1, (1 + confidence) / 2)) * math.sqrt(variance)
    return 100 * (float(means.mean()) - half), 100 * (float(means.mean()) + half)


class Consistent(NamedTuple):
    """Which of them an arm wins or loses over the seeds more often than chance explains.

    `p_adjusted` is nan for those of which nothing could be shown, whatever the networks did; `tested` are the others.
    """

    tested: int
    p_adjusted: Floats
    won: Bools
    lost: Bools


def consistent_images(reference: Bools, arm: Bools) -> Consistent:
    """Each image by Fisher's exact test of how many seeds are right, then Benjamini and Hochberg's correction.

    An image that nearly all or nearly no networks get right cannot be significant, which the total of both arms tells
    and their difference does not, so it is not tested (Gilbert: A modified false discovery rate procedure for discrete
    data. Appl. Statist. 54 (2005), 143-158). Benjamini and Hochberg: J. R. Statist. Soc. B 57 (1995), 289-300.
    """
    import numpy as np

    seeds = len(reference)
    table, least = _fisher(seeds)
    first, second = reference.sum(0), arm.sum(0)
    testable = least[first + second] <= FALSE_DISCOVERIES
    p = np.where(testable, table[first, second], np.nan)
    return _discovered(p, second > first)


def consistent_classes(reference: Bools, arm: Bools, labels: npt.NDArray[np.integer[Any]], classes: int) -> Consistent:
    """Each class by the t-test of the differences of its accuracy over the seeds, with the same correction.

    Classes without images, or whose differences are all alike, are not tested. None is for a single seed.
    """
    import numpy as np
    from scipy.stats import ttest_1samp

    by_class = class_differences(reference, arm, labels, classes)
    spread = by_class.std(0, ddof=1) if len(by_class) > 1 else np.zeros(classes)
    testable = np.nan_to_num(spread) > 1e-12
    p = np.full(classes, np.nan)
    if testable.any():
        p[testable] = ttest_1samp(by_class[:, testable], 0.0).pvalue
    return _discovered(p, by_class.mean(0) > 0)


def class_differences(reference: Bools, arm: Bools, labels: npt.NDArray[np.integer[Any]], classes: int) -> Floats:
    """[seeds, classes] in points; nan for a class without images."""
    import numpy as np

    known = labels >= 0
    counts = np.bincount(labels[known], minlength=classes)
    sums = [
        np.bincount(labels[known], weights=row[known], minlength=classes) for row in arm.astype(np.float64) - reference
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        shares: Floats = 100 * np.stack(sums) / counts
    return shares


def _discovered(p: Floats, is_gain: Bools) -> Consistent:
    import numpy as np
    from scipy.stats import false_discovery_control

    tested = ~np.isnan(p)
    adjusted = np.full(len(p), np.nan)
    if tested.any():
        adjusted[tested] = false_discovery_control(p[tested], method="bh")
    found = np.nan_to_num(adjusted, nan=1.0) <= FALSE_DISCOVERIES
    return Consistent(int(tested.sum()), adjusted, found & is_gain, found & ~is_gain)


@cache
def _fisher(seeds: int) -> tuple[Floats, Floats]:
    """p [seeds + 1, seeds + 1] of so many right among `seeds` of the one and of the other arm; and the least p that any
    split of so many right in all [2 * seeds + 1] could have."""
    import numpy as np
    from scipy.stats import fisher_exact

    table = np.ones((seeds + 1, seeds + 1))
    for first in range(seeds + 1):
        for second in range(first + 1):
            p = fisher_exact([[first, seeds - first], [second, seeds - second]]).pvalue
            table[first, second] = table[second, first] = p
    totals = np.add.outer(np.arange(seeds + 1), np.arange(seeds + 1))
    least = np.array([table[totals == total].min() for total in range(2 * seeds + 1)])
    return table, least
