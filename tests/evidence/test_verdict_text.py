"""The verdict in a terminal: every arm has its line, and the conclusion comes last."""

from __future__ import annotations

from worker.evidence.columns import aligned
from worker.evidence.pairs import CompletedRun
from worker.evidence.study import Ending
from worker.evidence.verdict import Design, Unfinished, verdict_of
from worker.evidence.verdict_text import CONTRAST_HEADINGS, contrast_row, verdict_lines

GAINS = {"plain": (0.0, 0.0, 0.0), "pL 0.8": (1.0, 1.2, 1.1), "row": (0.5, -0.5, 0.2)}


def test_each_arm_is_told_before_what_is_concluded_of_all() -> None:
    runs = [
        CompletedRun(run=f"{arm}{seed}", seed=seed, arm=arm, last_top1=90 + gain)
        for arm, gains in GAINS.items()
        for seed, gain in enumerate(gains)
    ]
    lost = [Unfinished(seed=3, arm="row", ending=Ending.FAILED)]
    verdict = verdict_of(runs, Design(arms=tuple(GAINS), seeds=(0, 1, 2, 3)), lost)
    better, undecided, *warnings, conclusion = verdict_lines(verdict)
    assert better.startswith("pL 0.8 is better than plain: a difference of +1.10 points")
    assert undecided.startswith("These 3 seeds cannot tell row from plain")
    assert "Holm's correction for 2 arms" in better
    assert warnings[0].startswith("warning: 1 run ended without a value, which leaves out 1 seed: row, seed 3, failed.")
    assert conclusion == f"better: {verdict.headline}"
    table = aligned([CONTRAST_HEADINGS, *map(contrast_row, verdict.contrasts)], left=1)
    assert " ".join(table[0].split()) == " ".join(CONTRAST_HEADINGS)
    assert table[1].split()[:6] == ["pL", "0.8", "-", "plain", "3", "+1.10"]
    assert table[2].endswith("undecided           –              –")
