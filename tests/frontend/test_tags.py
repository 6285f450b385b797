"""Tags as a person types them, and as they stand on a run already."""

from __future__ import annotations

import pytest

from tests.frontend.conftest import Run

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("text", "standing", "tags"),
    [
        ("", [], []),
        ("a, b", [], ["a", "b"]),
        (" a ,, b,a ", [], ["a", "b"]),
        ("a,b", ["a,b"], ["a,b"]),
        ("a,b, c", ["a,b"], ["a,b", "c"]),
        ("c, a,b", ["a,b", "c"], ["c", "a,b"]),
        ("a,b,c, x", ["a,b", "a,b,c"], ["a,b,c", "x"]),
        ("a,bc", ["a,b"], ["a", "bc"]),
        ("a,b", ["a", "b"], ["a", "b"]),
    ],
)
def test_a_tag_with_a_comma_stays_one_when_its_run_is_edited(
    run: Run, text: str, standing: list[str], tags: list[str]
) -> None:
    assert run("form", "(m, [text, standing]) => m.tagsOf(text, standing)", [text, standing]) == tags
