from __future__ import annotations

from pathlib import Path

import pytest

from worker.engine.atomic import check_writable


def test_looking_whether_a_file_can_be_written_keeps_what_is_there(tmp_path: Path) -> None:
    earlier = tmp_path / "found.json"
    earlier.write_text("an hour of reading")
    check_writable(earlier)
    check_writable(tmp_path / "new.json")
    assert earlier.read_text() == "an hour of reading"
    assert list(tmp_path.iterdir()) == [earlier]


@pytest.mark.parametrize("place", [".", "nowhere/found.json"])
def test_where_nothing_can_be_written_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(OSError, match=r"Is a directory|No such file"):
        check_writable(tmp_path / place)
