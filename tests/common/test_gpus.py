"""Lists of GPUs, read as CUDA and torch read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from worker.common import gpus
from worker.common.gpus import CUDA, HIP, ROCR, Grant, counted_as, driver_is_here, granted, read, visible

LISTS = {
    "0": ("0",),
    "4,5": ("4", "5"),
    " 4 , 5 ": ("4", "5"),
    "5,4": ("5", "4"),
    "00,+1": ("0", "1"),
    "1gpu2,2ampere": ("1", "2"),
    # Up to the first that is none.
    "": (),
    "-1": (),
    "0,-1,1": ("0",),
    "0,,1": ("0",),
    "NoDevFiles": (),
    "none": (),
    "void": (),
    "all": (),
    "0,GPU-aaaa": ("0",),
    "GPU-aaaa,0": ("GPU-aaaa",),
    "GPU-aaaa,MIG-bbbb": ("GPU-aaaa",),
    # One that comes twice takes all away.
    "0,0": (),
    "0,1,0": (),
    "GPU-aaaa,GPU-aaaa": (),
    "GPU-aaaa,GPU-bbbb": ("GPU-aaaa", "GPU-bbbb"),
    "MIG-aaaa,MIG-bbbb": ("MIG-aaaa", "MIG-bbbb"),
    "MIG-GPU-aaaa/1/0": ("MIG-GPU-aaaa/1/0",),
}


@pytest.mark.parametrize(("value", "devices"), LISTS.items())
def test_a_list_is_read_up_to_what_is_no_device(value: str, devices: tuple[str, ...]) -> None:
    assert read(value) == devices


#: torch takes a UUID with a space for another one, and then finds none that is called so.
@pytest.mark.parametrize("value", LISTS)
def test_torch_reads_the_same(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(CUDA, value)
    assert tuple(map(str, torch.cuda._parse_visible_devices())) == read(value)


KNOWN = ("GPU-aaaa1111", "GPU-aaaa2222", "GPU-bbbb3333")


@pytest.mark.parametrize(
    ("value", "devices"),
    [
        ("0,2", ("0", "2")),
        ("0,3,1", ("0",)),
        ("7", ()),
        ("GPU-bbbb", ("GPU-bbbb3333",)),
        # It fits two, or none.
        ("GPU-aaaa", ()),
        ("GPU-bbbb,GPU-cccc,GPU-aaaa1", ("GPU-bbbb3333",)),
        ("GPU-bbbb,GPU-bbbb3333", ()),
        ("MIG-aaaa", ("MIG-aaaa",)),
    ],
)
def test_what_the_machine_does_not_have_ends_the_list(value: str, devices: tuple[str, ...]) -> None:
    assert read(value, known=KNOWN) == devices


def test_where_nothing_is_said_the_machine_decides() -> None:
    assert granted({}).ids is None
    assert granted({}, known=KNOWN).ids == KNOWN
    assert granted({}, known=()).ids == ()


def test_a_list_is_blamed_only_for_what_it_hides_itself() -> None:
    for environment, rocm in (({CUDA: "0"}, False), ({CUDA: "MIG-abc"}, False), ({HIP: "0"}, True), ({}, False)):
        found = granted(environment, known=(), rocm=rocm)
        assert (found.ids, found.told) == ((), "this machine has")
    assert granted({CUDA: "-1"}, known=()).told == "CUDA_VISIBLE_DEVICES '-1' grants"


def test_a_driver_is_known_by_what_it_puts_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "NVIDIA_DRIVER", (str(tmp_path / "version"), str(tmp_path / "nvidia[0-9]*")))
    monkeypatch.setattr(gpus, "AMD_DRIVER", (str(tmp_path / "kfd"),))
    (tmp_path / "nvidiactl").touch()
    assert not driver_is_here()
    (tmp_path / "nvidia3").touch()
    assert (driver_is_here(), driver_is_here(rocm=True)) == (True, False)


@pytest.mark.parametrize(
    ("environment", "ids", "told"),
    [
        ({}, None, "this machine has"),
        ({HIP: "1,2"}, ("1", "2"), "HIP_VISIBLE_DEVICES '1,2' grants"),
        ({CUDA: "3"}, ("3",), "CUDA_VISIBLE_DEVICES '3' grants"),
        ({HIP: "1", CUDA: "3"}, ("1",), "HIP_VISIBLE_DEVICES '1' grants"),
        ({HIP: "-1"}, (), "HIP_VISIBLE_DEVICES '-1' grants"),
        ({ROCR: "4,GPU-dead"}, ("0",), "ROCR_VISIBLE_DEVICES '4,GPU-dead' grants"),
        ({ROCR: "4,5"}, ("0", "1"), "ROCR_VISIBLE_DEVICES '4,5' grants"),
        ({ROCR: "4,5", HIP: "1"}, ("1",), "HIP_VISIBLE_DEVICES '1' grants"),
        ({ROCR: "4,5", HIP: "1,2"}, ("1",), "HIP_VISIBLE_DEVICES '1,2' grants"),
    ],
)
def test_rocm_counts_among_what_its_runtime_leaves(
    environment: dict[str, str], ids: tuple[str, ...] | None, told: str
) -> None:
    found = granted(environment, rocm=True)
    assert (found.ids, found.told) == (ids, told)


def test_what_is_not_granted_is_named_with_what_is() -> None:
    assert Grant(None, "this machine has").refusal_of(7) is None
    assert Grant(("4", "5"), "X grants").refusal_of(1) is None
    assert Grant(("4", "5"), "X grants").refusal_of(4) == "X grants only cuda:0, cuda:1"
    assert Grant((), "X grants").refusal_of(0) == "X grants no GPU"


def test_only_what_was_meant_to_grant_something_is_odd() -> None:
    assert [value for value in LISTS if granted({CUDA: value}).is_odd and not read(value)] == [
        "all", "0,0", "0,1,0", "GPU-aaaa,GPU-aaaa",
    ]  # fmt: skip


def test_a_process_is_given_its_devices_and_no_other() -> None:
    assert visible(["4", "5"]) == {CUDA: "4,5"}
    assert visible([]) == {CUDA: ""}
    assert visible(["1"], rocm=True) == {HIP: "1"}
    assert visible([], rocm=True) == {HIP: "-1"}


def test_indices_that_were_granted_count_as_whoever_granted_them_counts() -> None:
    assert counted_as({CUDA: "0"}) == {}
    assert counted_as({}) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID"
