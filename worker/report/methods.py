"""A paragraph for a paper: design, training, plan and tests of a comparison, with what is cited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from worker.contract.config import RunConfig
from worker.contract.plan import Plan, Question, Stopping
from worker.evidence.sentences import MINUS
from worker.report.markup import Markup, element
from worker.report.page import ARM_TITLES, bullets

_HE = "He, Zhang, Ren and Sun: Identity mappings in deep residual networks. ECCV (2016)."
_HUANG = "Huang, Sun, Liu, Sedra and Weinberger: Deep networks with stochastic depth. ECCV (2016)."
_MIXUP = "Zhang, Cisse, Dauphin and Lopez-Paz: mixup: Beyond empirical risk minimization. ICLR (2018)."
_STUDENT = "Student: The probable error of a mean. Biometrika 6 (1908), 1-25."
_FISHER = "Fisher: The Design of Experiments (1935), section 21."
_EFRON = "Efron: Better bootstrap confidence intervals. JASA 82 (1987), 171-185."
_HOLM = "Holm: A simple sequentially rejective multiple test procedure. Scand. J. Statist. 6 (1979), 65-70."
_ANYTIME = (
    "Wang and Ramdas: Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance (2024)."
)
_MCNEMAR = (
    "McNemar: Note on the sampling error of the difference between correlated proportions. Psychometrika 12 (1947)."
)
_BONETT = (
    "Bonett and Price: Adjusted Wald confidence interval for a difference of binomial proportions based on paired "
    "data. J. Educ. Behav. Stat. 37 (2012), 479-488."
)
_OWEN = "Owen: The pigeonhole bootstrap. Ann. Appl. Stat. 1 (2007), 386-411."
_BENJAMINI = "Benjamini and Hochberg: Controlling the false discovery rate. J. R. Statist. Soc. B 57 (1995), 289-300."


@dataclass(frozen=True)
class Methods:
    """What a comparison was. `config` is the reference's, `versions` those of the libraries; `has_images` says that
    predictions were compared, and `changes` what was changed in the plan after its runs had begun."""

    arms: Sequence[str]
    seeds: int
    plan: Plan
    config: RunConfig
    uses_sd: bool
    uses_mixup: bool
    has_images: bool
    versions: Mapping[str, str]
    changes: Sequence[str] = ()


def methods_section(methods: Methods) -> list[Markup]:
    told = " ".join((*_design(methods), *_training(methods), *_plan(methods), *_tests(methods), *_rest(methods)))
    return [
        element("h2", "Methods, to be pasted into a paper"),
        element("p", told),
        element("h3", "References"),
        bullets(_references(methods)),
    ]


def _design(methods: Methods) -> Iterator[str]:
    reference, *others = (ARM_TITLES.get(arm, arm) for arm in methods.arms)
    compared = ", ".join(others[:-1]) + (" and " if len(others) > 1 else "") + others[-1]
    yield (
        f"We compared {compared} with {reference}, with {methods.seeds} random seed{'' if methods.seeds == 1 else 's'} "
        "each. The arms of a seed share initial weights where their shapes agree, the order of the images and the "
        "draws of augmentation, so that differences are paired by seed."
    )


def _training(methods: Methods) -> Iterator[str]:
    config = methods.config
    yield (
        f"Pre-activation ResNet-{int(config.depth)} (He et al. 2016) was trained on {config.dataset.value} at "
        f"{config.image_side} px for {config.epochs} epochs by SGD with momentum {config.momentum:g}, weight decay "
        f"{config.weight_decay:g} and batches of {config.batch}; the learning rate rose linearly to "
        f"{config.peak_lr:g} in {config.warmup_epochs:g} epochs and fell to {config.min_lr:g} by a cosine. What the "
        "arms change of this is in the table of settings."
    )
    if methods.uses_sd:
        yield (
            "Stochastic depth (Huang et al. 2016) kept residual block l of L with probability "
            f"p_l = 1 {MINUS} (l/L)(1 {MINUS} p_L) in training and scaled its branch by p_l in evaluation."
        )
    if methods.uses_mixup:
        yield "Images were mixed as by Zhang et al. (2018)."


def _plan(methods: Methods) -> Iterator[str]:
    plan = methods.plan
    unit = "" if plan.metric == "val/loss" else " points"
    asked = "whether the arms differ"
    if plan.question is Question.NON_INFERIORITY:
        asked = f"whether an arm is worse by at most {plan.margin:g}{unit}"
    stopping = "the number of seeds was fixed"
    if plan.stopping is Stopping.SEQUENTIAL:
        stopping = f"seeds were added until it was decided, at most {plan.most_seeds}"
    yield (
        f"Before the first run it was settled to ask {asked} in {plan.metric} after the last epoch, with "
        f"{100 * plan.confidence:g} % confidence; {stopping}."
    )
    if methods.changes:
        yield f"Deviations from this plan after the first run had started: {'; '.join(methods.changes)}."


def _tests(methods: Methods) -> Iterator[str]:
    side = "one-sided " if methods.plan.question is Question.NON_INFERIORITY else ""
    if methods.plan.stopping is Stopping.SEQUENTIAL:
        yield f"Decisions are by the {side}anytime-valid t-test with its confidence sequence (Wang and Ramdas 2024)."
    else:
        yield f"Decisions are by the {side}paired t-test with Student's interval (Student 1908)."
    if len(methods.arms) > 2:
        yield f"p-values are corrected for {len(methods.arms) - 1} comparisons (Holm 1979)."
    yield "Checks: the sign-flip permutation test (Fisher 1935) and, from 5 seeds on, the BCa bootstrap (Efron 1987)."
    if methods.has_images:
        yield (
            "Two networks were compared image by image with McNemar's exact test (1947) and the interval of Bonett and "
            "Price (2012), arms with an interval over seeds and images (Owen 2007), and single images and classes with "
            "false discoveries held at 5 % (Benjamini and Hochberg 1995)."
        )


def _rest(methods: Methods) -> Iterator[str]:
    if methods.versions:
        yield f"Software: ResDrop with {', '.join(f'{name} {number}' for name, number in methods.versions.items())}."


def _references(methods: Methods) -> Iterator[str]:
    yield _HE
    if methods.uses_sd:
        yield _HUANG
    if methods.uses_mixup:
        yield _MIXUP
    yield _ANYTIME if methods.plan.stopping is Stopping.SEQUENTIAL else _STUDENT
    if len(methods.arms) > 2:
        yield _HOLM
    yield from (_FISHER, _EFRON)
    if methods.has_images:
        yield from (_MCNEMAR, _BONETT, _OWEN, _BENJAMINI)
