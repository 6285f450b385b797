"""`resdrop bench evidence`: how often simulated studies are decided, falsely and rightly, by the verdict's own rules.

Differences are drawn from a normal distribution of standard deviation 1. A fixed plan is judged once; a sequential one
is watched after every seed and ends with its first decision. The rules are those of `worker.evidence`, whole verdicts
of some studies are compared with what is computed here for all of them at once. At the end stands how long the verdict
over many runs takes, with what they guess of each of 50,000 images read from their files.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.report import machine_line, table, write_json
from worker.contract.plan import Question, Rule, Stopping
from worker.evidence import anytime, images, planning
from worker.evidence.conclusion import Conclusion
from worker.evidence.image_verdict import Network, compare_images
from worker.evidence.pairs import CompletedRun
from worker.evidence.predictions import Predictions, read_predictions
from worker.evidence.study import Result, Study
from worker.evidence.study_verdict import decide
from worker.evidence.verdict import Design, verdict_of

ALPHA = 0.05
MOST = 30
FIXED = (2, 3, 5, 10, 20)
EFFECTS = (0.0, 0.5, 1.0, 2.0)
MARGIN = 0.5
CHECKED = 200
ARMS, SEEDS, IMAGES = 8, 5, 50_000


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="resdrop bench evidence", description=__doc__)
    parser.add_argument("--studies", type=int, default=20_000, metavar="N", help="of each kind (default: 20,000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    asked = parser.parse_args(arguments)
    figures = measure(asked.studies)
    print(f"{machine_line()}\n{asked.studies:,} studies of each kind, alpha {ALPHA:g}\n")
    for title, (headings, rows) in figures.items():
        print(f"{title}\n{table(headings, [[str(cell) for cell in row] for row in rows])}\n")
    told = {
        title: [dict(zip(headings, row, strict=True)) for row in rows] for title, (headings, rows) in figures.items()
    }
    write_json(asked.json, "evidence", told)
    return 0


Table = tuple[Sequence[str], list[list[object]]]


def measure(studies: int) -> dict[str, Table]:
    generator = np.random.default_rng(20_16)
    agree_with_verdicts(generator, min(CHECKED, studies))
    return {
        "Fixed plans, by Student's paired t-test": _fixed(generator, studies),
        "Sequential plans, watched after every seed": _sequential(generator, studies),
        f"Non-inferiority with a margin of {MARGIN:g} standard deviations": _non_inferiority(generator, studies),
        "How wide the prior on the effect is": _priors(generator, studies),
        "Arms alike over seeds and images: 400 images, networks right or wrong at random": _images(generator, studies),
        f"The verdict of {ARMS} arms over {SEEDS} seeds, {IMAGES:,} images": _time_of_many(generator),
    }


def _fixed(generator: np.random.Generator, studies: int) -> Table:
    rows: list[list[object]] = []
    for n in FIXED:
        critical = planning.student_critical(ALPHA, is_two_sided=True)(n)
        for effect in EFFECTS:
            t = t_of(generator.standard_normal((studies, n)) + effect)[:, -1]
            # The interval reaches `critical` standard errors to both sides: it covers where |t| about the mean is less.
            about = t_of(generator.standard_normal((studies, n)))[:, -1]
            predicted = planning.power(n, effect, critical, is_two_sided=True)
            rows.append(
                [
                    n,
                    effect,
                    _percent(np.abs(t) > critical),
                    f"{100 * predicted:.2f}",
                    _percent(np.abs(about) <= critical),
                ]
            )
    return ["seeds", "effect (sd)", "decided, %", "predicted, %", "interval covers, %"], rows


def _sequential(generator: np.random.Generator, studies: int) -> Table:
    rows: list[list[object]] = []
    for effect in EFFECTS:
        values = generator.standard_normal((studies, MOST)) + effect
        ended = crossings(values, alpha=ALPHA)
        covered = crossings(values - effect, alpha=ALPHA) > MOST
        decided = ended <= MOST
        wrong = decided & (np.sign(_mean_at(values, np.minimum(ended, MOST))) != np.sign(effect))
        used = np.minimum(ended, MOST)
        rows.append(
            [
                *(effect, _percent(decided), _percent(wrong), f"{np.median(used):.0f}", f"{np.mean(used):.1f}"),
                _percent(covered),
            ]
        )
    headings = ["effect (sd)", f"decided within {MOST}, %", "falsely, %", "median seeds", "mean seeds"]
    return [*headings, "all intervals cover, %"], rows


def _non_inferiority(generator: np.random.Generator, studies: int) -> Table:
    """The true loss lies just outside the margin, or is none at all."""
    rows: list[list[object]] = []
    for loss in (1.01 * MARGIN, 0.0, -MARGIN):
        for n in (5, 10, 20):
            critical = planning.student_critical(ALPHA, is_two_sided=False)(n)
            t = t_of(generator.standard_normal((studies, n)) - loss + MARGIN)[:, -1]
            rows.append([f"fixed, {n} seeds", loss, _percent(t > critical)])
        values = generator.standard_normal((studies, MOST)) - loss + MARGIN
        ended = crossings(values, alpha=anytime.one_sided(ALPHA), only_above=True)
        rows.append([f"sequential, up to {MOST}", loss, _percent(ended <= MOST)])
    return ["plan", "true loss (sd)", "accepted as not inferior, %"], rows


def _priors(generator: np.random.Generator, studies: int) -> Table:
    rows: list[list[object]] = []
    for prior in (0.5, 1.0, 2.0):
        row: list[object] = [prior]
        for effect in (0.5, 1.0, 2.0):
            ended = crossings(generator.standard_normal((studies, MOST)) + effect, alpha=ALPHA, prior=prior)
            row += [_percent(ended <= MOST), f"{np.mean(np.minimum(ended, MOST)):.1f}"]
        rows.append(row)
    return ["prior (sd)", *(h for e in (0.5, 1, 2) for h in (f"effect {e}: decided, %", "mean seeds"))], rows


def _images(generator: np.random.Generator, studies: int) -> Table:
    """Seeds and images are both drawn anew, each network with a level of its own."""
    rows: list[list[object]] = []
    for seeds in (2, 5, 10):
        covered, named, count = 0, 0, min(studies, 2000)
        for _ in range(count):
            difficulty = 0.1 + 0.8 * generator.random(400)
            advantage = generator.choice([-0.1, 0.1], 400)
            arms = [
                generator.random((seeds, 400)) < difficulty + gain + generator.normal(0, 0.02, (seeds, 1))
                for gain in (0.0, advantage)
            ]
            bounds = images.seeds_and_images_interval(arms[0], arms[1], 1 - ALPHA)
            found = images.consistent_images(arms[0], arms[1])
            covered += bounds is not None and bounds[0] <= 0 <= bounds[1]
            named += bool((found.won | found.lost).any())
        rows.append([seeds, f"{100 * covered / count:.1f}", f"{100 * named / count:.1f}"])
    return ["seeds", "interval covers 0, %", "an image is named, %"], rows


def _time_of_many(generator: np.random.Generator) -> Table:
    runs = [
        CompletedRun(run=f"r{arm}-{seed}", seed=seed, arm=f"arm {arm}", last_top1=76 + float(generator.normal(0, 0.2)))
        for arm in range(ARMS)
        for seed in range(SEEDS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        for run in runs:
            (Path(folder) / run.run).write_bytes(_predictions(generator).packed())
        begun = time.perf_counter()
        verdict = verdict_of(runs, Design(arms=tuple(f"arm {arm}" for arm in range(ARMS))))
        networks = [Network(run.run, run.seed, read_predictions(Path(folder) / run.run)) for run in runs]
        read = time.perf_counter()
        for arm in range(1, ARMS):
            compare_images(
                networks[:SEEDS],
                networks[arm * SEEDS : (arm + 1) * SEEDS],
                confidence=1 - ALPHA,
                titles=("arm", "reference"),
            )
        ended = time.perf_counter()
    assert len(verdict.contrasts) == ARMS - 1
    size = len(_predictions(generator).packed()) / 1e6
    row = [f"{read - begun:.2f}", f"{ended - read:.2f}", f"{ended - begun:.2f}", f"{size:.2f}"]
    return ["numbers and files, s", "image by image, s", "all, s", "a file, MB"], [list[object](row)]


def _predictions(generator: np.random.Generator) -> Predictions:
    """Of an ImageNet, three quarters of it right."""
    labels = np.arange(IMAGES) // (IMAGES // 1000)
    guesses = generator.integers(0, 1000, (IMAGES, 5))
    right = generator.random(IMAGES) < 0.75
    guesses[right, 0] = labels[right]
    return Predictions(guesses=guesses, labels=labels, classes=tuple(f"n{i:08d}" for i in range(1000)), images="these")


def agree_with_verdicts(generator: np.random.Generator, studies: int) -> None:
    """The verdict says of each study what is computed here for many of them at once. Raises AssertionError."""
    values = generator.standard_normal((studies, 8)) + generator.choice([0.0, 1.5], (studies, 1))
    ended = crossings(values, alpha=ALPHA) <= 8
    critical = planning.student_critical(ALPHA, is_two_sided=True)(8)
    fixed = np.abs(t_of(values)[:, -1]) > critical
    for index in range(studies):
        for rule, expected in (
            (Rule(stopping=Stopping.SEQUENTIAL), ended[index]),
            (Rule(question=Question.DIFFERENCE), fixed[index]),
        ):
            verdict = decide(study_of(values[index]), rule)
            assert (verdict.conclusion is not Conclusion.UNDECIDED) == expected, (rule, values[index])


def study_of(differences: np.ndarray) -> Study:
    """A baseline of zeros and an arm with these values, so that the differences are exactly these."""
    seeds = tuple(range(len(differences)))
    results = [Result(arm="baseline", seed=seed, value=0.0) for seed in seeds]
    results += [
        Result(arm="arm", seed=seed, value=float(value)) for seed, value in zip(seeds, differences, strict=True)
    ]
    return Study(arms=("baseline", "arm"), planned=seeds, results=tuple(results))


def crossings(
    values: np.ndarray, *, alpha: float, only_above: bool = False, prior: float = anytime.PRIOR
) -> np.ndarray:
    """After how many differences each study [studies, seeds] is decided; one more than it has where it never is."""
    t = t_of(values)
    n = np.arange(1, values.shape[1] + 1)
    shrink = 1 / (1 + n * prior**2)
    square = t**2 / np.maximum(n - 1, 1)
    evidence = 0.5 * np.log(shrink) + n / 2 * (np.log1p(square) - np.log1p(shrink * square))
    hits = (evidence >= -np.log(alpha)) & (n > 1)
    if only_above:
        hits &= t > 0
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, values.shape[1] + 1)


def t_of(values: np.ndarray) -> np.ndarray:
    """Student's t after each of the differences, [studies, seeds]; 0 after the first."""
    n = np.arange(1, values.shape[1] + 1)
    mean = np.cumsum(values, axis=1) / n
    squares = np.maximum(np.cumsum(values**2, axis=1) - n * mean**2, 0)
    spread = np.sqrt(squares / np.maximum(n - 1, 1))
    return np.where(n > 1, mean * np.sqrt(n) / np.where(spread > 0, spread, np.inf), 0.0)


def _mean_at(values: np.ndarray, ended: np.ndarray) -> np.ndarray:
    means = np.cumsum(values, axis=1) / np.arange(1, values.shape[1] + 1)
    return means[np.arange(len(values)), ended - 1]


def _percent(hits: np.ndarray) -> str:
    """With the simulation's own standard error."""
    share = float(np.mean(hits))
    return f"{100 * share:.2f} ± {100 * np.sqrt(share * (1 - share) / len(hits)):.2f}"
