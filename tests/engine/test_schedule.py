from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from worker.engine.schedule import Schedule

SCHEDULES = st.builds(
    Schedule,
    peak=st.floats(1e-3, 10),
    last=st.floats(0, 1e-3),
    warmup_steps=st.floats(0, 50),
    total_steps=st.integers(1, 200),
)


@given(SCHEDULES)
def test_the_rate_stays_between_its_bounds(schedule: Schedule) -> None:
    rates = [schedule.lr(step) for step in range(schedule.total_steps)]
    assert all(0 < rate <= schedule.peak * (1 + 1e-12) for rate in rates)
    assert all(rate >= schedule.last for step, rate in enumerate(rates) if step >= schedule.warmup_steps)


@given(SCHEDULES)
def test_the_rate_rises_during_warmup_and_falls_afterwards(schedule: Schedule) -> None:
    rates = [schedule.lr(step) for step in range(schedule.total_steps)]
    for step, (before, after) in enumerate(pairwise(rates)):
        if step + 1 < schedule.warmup_steps:
            assert after > before
        elif step >= schedule.warmup_steps:
            assert after <= before


@given(SCHEDULES)
def test_the_cosine_ends_at_the_last_rate(schedule: Schedule) -> None:
    assume(schedule.warmup_steps < schedule.total_steps - 1)
    assert schedule.lr(schedule.total_steps) == pytest.approx(schedule.last, abs=1e-9)


def test_warmup_is_linear_and_reaches_the_peak_at_its_last_step() -> None:
    schedule = Schedule(peak=0.4, last=0.0, warmup_steps=4, total_steps=8)
    assert [schedule.lr(step) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    assert schedule.lr(6) == pytest.approx(0.2)
