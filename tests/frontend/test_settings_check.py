"""An answer about settings is shown only while these are the settings, however late or early it comes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frontend.conftest import Run

pytestmark = pytest.mark.browser

#: A service that answers when it is told to, heeding no abort; `shown` has what was shown, in its order.
WORLD = """
({ SettingsCheck }) => new Promise(async (done) => {
  const page = new AbortController();
  const shown = [];
  const asked = [];
  const ask = (draft) => new Promise((resolve, reject) => asked.push({ draft, resolve, reject }));
  const show = ({ state, answer, error, changed }) =>
    shown.push([state, answer ?? error?.message ?? [...changed].sort()]);
  const check = new SettingsCheck({ ask, show, signal: page.signal });
  const draft = (epochs, name = "") => ({ name, config: { epochs } });
  const settled = () => new Promise((resolve) => setTimeout(resolve));
  STEPS
  await settled();
  done({ shown, asked: asked.map((one) => one.draft.config.epochs) });
})
"""


def play(run: Run, steps: str) -> Any:
    return run("settings-check", WORLD.replace("STEPS", steps))


def test_an_answer_that_comes_after_a_newer_question_is_passed_over(run: Run) -> None:
    found = play(
        run,
        """check.take(draft(1)); check.take(draft(2));
        asked[1].resolve("of 2"); await settled(); asked[0].resolve("of 1");""",
    )
    assert found["shown"] == [["asking", ["config.epochs", "name"]], ["asking", ["config.epochs"]], ["good", "of 2"]]


def test_an_answer_that_comes_before_the_newer_question_is_asked_is_passed_over(run: Run) -> None:
    found = play(
        run,
        """check.take(draft(1)); check.take(draft(2), { isTyped: true });
        asked[0].resolve("of 1"); await settled();""",
    )
    assert [state for state, _ in found["shown"]] == ["asking", "asking"]


def test_a_refusal_that_comes_late_is_passed_over_too(run: Run) -> None:
    found = play(
        run, """check.take(draft(1)); check.take(draft(2)); asked[0].reject(new Error("of 1")); await settled();"""
    )
    assert [state for state, _ in found["shown"]] == ["asking", "asking"]


def test_the_same_settings_are_not_asked_of_again(run: Run) -> None:
    found = play(run, """check.take(draft(1)); asked[0].resolve("of 1"); await settled(); check.take(draft(1));""")
    assert found == {"shown": [["asking", ["config.epochs", "name"]], ["good", "of 1"]], "asked": [1]}


def test_what_was_typed_fast_is_asked_of_once(run: Run) -> None:
    found = play(
        run,
        """for (let n = 1; n < 9; n += 1) check.take(draft(n), { isTyped: true });
        while (!asked.length) await settled();""",
    )
    assert found["asked"] == [8]


def test_a_failed_check_is_asked_again_and_a_refused_one_is_not(run: Run) -> None:
    found = play(
        run,
        """check.take(draft(1)); asked[0].reject(new Error("away")); await settled(); check.retry();
        asked[1].reject(Object.assign(new Error("no"), { status: 422 })); await settled(); check.retry();""",
    )
    assert found["asked"] == [1, 1]


def test_a_refused_launch_is_shown_only_of_the_settings_that_are_there(run: Run) -> None:
    found = play(
        run,
        """check.take(draft(1)); shown.push(["took", check.refused(draft(1), new Error("of 1"))]);
        asked[0].resolve("late"); await settled();
        check.take(draft(2), { isTyped: true }); shown.push(["took", check.refused(draft(1), new Error("of 1"))]);""",
    )
    assert found["shown"][1:] == [["bad", "of 1"], ["took", True], ["asking", ["config.epochs"]], ["took", False]]


def test_a_page_that_is_left_shows_nothing_more(run: Run) -> None:
    found = play(run, """check.take(draft(1)); page.abort(); asked[0].resolve("of 1"); await settled();""")
    assert [state for state, _ in found["shown"]] == ["asking"]
