"""Who a worker is, by the files of its folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.jobs.identity import identify


def test_a_worker_keeps_its_name_and_storage(tmp_path: Path) -> None:
    first, second = (identify(state=tmp_path / "worker", files=tmp_path / "files") for _ in range(2))
    assert (first.worker_id, first.root_id) == (second.worker_id, second.root_id)
    assert first.boot_id != second.boot_id


DAMAGED = ["", "{", "[]", "\x00\x00", '{"name": "w"}', '{"id": 7}', '{"id": ""}', "[" * 100_000]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_name_is_set_aside_and_the_worker_is_a_new_one(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    state, files = tmp_path / "worker", tmp_path / "files"
    before = identify(state=state, files=files)
    (state / "worker.json").write_text(text)
    found = identify(state=state, files=files)
    assert found.worker_id != before.worker_id
    assert found.worker_id == identify(state=state, files=files).worker_id
    (kept,) = state.glob("worker.json.set-aside-*")
    assert kept.read_text() == text
    assert kept.name in caplog.text


def test_a_folder_in_the_place_of_the_name_too(tmp_path: Path) -> None:
    (tmp_path / "worker" / "worker.json").mkdir(parents=True)
    assert identify(state=tmp_path / "worker", files=tmp_path / "files").worker_id


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_id_of_the_storage_is_refused_with_the_remedy(tmp_path: Path, text: str) -> None:
    """A new one would hide every checkpoint of the folder from the runs."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "root.json").write_text(text)
    with pytest.raises(ValueError, match=r"root\.json does not hold .* restore it, or remove it to begin anew"):
        identify(state=tmp_path / "worker", files=tmp_path / "files")
