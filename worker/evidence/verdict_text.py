"""The verdict of a comparison for a terminal, by the service's command line and by the engine alone."""

from __future__ import annotations

from worker.evidence.study_words import NOT_KNOWN, p_text
from worker.evidence.verdict import ArmContrast, Verdict

CONTRAST_HEADINGS = (
    *("arm - reference", "seeds", "difference", "interval", "p", "conclusion", "step ratio", "compute ratio"),
)


def contrast_row(contrast: ArmContrast) -> tuple[str, ...]:
    """In the order of CONTRAST_HEADINGS."""
    speed = contrast.speed
    return (
        f"{contrast.arm} - {contrast.reference}",
        str(contrast.n),
        contrast.mean_text,
        contrast.interval_text,
        NOT_KNOWN if contrast.p_adjusted is None else p_text(contrast.p_adjusted),
        contrast.conclusion.value,
        NOT_KNOWN if speed.time_ratio is None else f"{speed.time_ratio.mean:.3f}",
        NOT_KNOWN if speed.compute_ratio is None else f"{speed.compute_ratio.mean:.3f}",
    )


def verdict_lines(verdict: Verdict) -> list[str]:
    """What the numbers are, what has to be known before they are believed, and last what is concluded and why."""
    lines = [*verdict.sentences, verdict.time_sentence]
    if len(verdict.contrasts) > 1:
        lines += [line for contrast in verdict.contrasts for line in _of_one_arm(contrast, verdict)]
    lines += [line for contrast in verdict.contrasts for line in _images(contrast, len(verdict.contrasts))]
    lines += [f"warning: {warning}" for warning in verdict.warnings]
    lines += [f"{verdict.conclusion.value}: {verdict.headline}", verdict.reason]
    return [line for line in lines if line]


def _of_one_arm(contrast: ArmContrast, verdict: Verdict) -> list[str]:
    """The reason only where it is not the same for all arms, and times where skipping does not explain them."""
    told = contrast.headline if verdict.reason else f"{contrast.headline} {contrast.reason}"
    return [told] if contrast.speed.is_explained else [told, f"{contrast.arm}: {contrast.speed.sentence}"]


def _images(contrast: ArmContrast, arms: int) -> list[str]:
    """Image by image, where predictions are there."""
    sentences = contrast.images.sentences if contrast.images else []
    return [f"{contrast.arm}: {sentence}" if arms > 1 else sentence for sentence in sentences]
