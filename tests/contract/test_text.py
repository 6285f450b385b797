"""The one rule for texts: what is refused, what is shown in its place, and what compares as the same."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract.names import Metric, metric_name_fault
from worker.contract.text import LINE_BREAKS_AND_TABS, csv_text, folded, is_invisible, shown, shown_json, text_fault

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
SEPARATORS = ["\u2028", "\u2029"]
REORDERING = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
HOSTILE = [*CONTROLS, *SEPARATORS, *REORDERING, "\ud800", "\udfff"]


def test_what_is_no_part_of_a_name_is_named_with_its_place() -> None:
    for character in HOSTILE:
        fault = text_fault(f"ab{character}c")
        assert fault is not None, repr(character)
        assert f"U+{ord(character):04X} at character 3" in fault
        assert fault.endswith("; remove it")


@pytest.mark.parametrize(
    "text", ["Übung ß İ", "实验 7", "👩‍🔬 run", "تجربة", "e\u0301", "a\u00a0b", "x² → ∞", "می‌خواهم"]
)
def test_every_script_may_be_written(text: str) -> None:
    assert text_fault(text) is None
    assert not is_invisible(text)
    assert shown(text) == text


def test_notes_have_lines_and_tabs() -> None:
    assert text_fault("one\ntwo\r\n\tthree", allowed=LINE_BREAKS_AND_TABS) is None
    assert text_fault("one\u2028two", allowed=LINE_BREAKS_AND_TABS) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\u200b",
        "\u200b\u200d\ufeff",
        "\u3164",
        "\u2800\u2800",
        "\u00ad",
        "\u0301",
        "\U000e0041",
        "\u2003",
        "\u115f",
    ],
)
def test_what_a_list_would_show_as_nothing(text: str) -> None:
    assert is_invisible(text)


@given(st.text(st.sampled_from([*HOSTILE, "a", "ß", "\u200b", "👩"]), max_size=20))
def test_nothing_that_commands_a_terminal_is_shown_raw(text: str) -> None:
    for one in (shown(text), shown(text, keep="\n\t")):
        assert not set(one) & set(HOSTILE) - set("\n\t")
        one.encode()
    assert "\n" not in shown(text)
    document = shown_json(json.dumps({"name": text}, indent=1, ensure_ascii=False))
    # Two halves of a pair, one after the other, are one character in JSON.
    assert json.loads(document)["name"].encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")
    assert not set(document) & set(HOSTILE) - {"\n"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("\u202egnp", r"\u202egnp"),
        ("\x9b2J", r"\x9b2J"),
        ("\u200b", r"\u200b"),
        ("a\rb", r"a\rb"),
    ],
)
def test_what_is_hidden_can_be_read(text: str, said: str) -> None:
    assert shown(text) == said


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ÜBUNG", "übung"),
        ("U\u0308bung", "Übung"),
        ("Straße", "STRASSE"),
        ("GROẞ", "gross"),
        ("İstanbul", "istanbul"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ﬁne", "FINE"),
        ("ResNet\u00ad-20", "resnet-20"),
        ("Ｒｕｎ①", "run1"),
        ("Å", "å"),
        ("가", "\u1100\u1161"),
    ],
)
def test_what_reads_alike_is_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_what_reads_differently_is_not_the_same() -> None:
    assert len({folded(text) for text in ("Ubung", "Übung", "Uebung")}) == 3


@given(st.text(max_size=20))
def test_folding_again_changes_nothing_however_the_text_was_composed(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert folded(unicodedata.normalize(form, text)) == folded(text)
    assert folded(folded(text)) == folded(text)


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1+1", "'=1+1"), ("@cmd", "'@cmd"), ("-x", "'-x"), ("+a", "'+a"), ("-1.5", "-1.5"), ("a=b", "a=b"), ("", "")],
)
def test_no_spreadsheet_takes_a_text_for_a_formula(text: str, cell: str) -> None:
    assert csv_text(text) == cell


def test_our_own_metrics_have_sound_names() -> None:
    assert [metric_name_fault(name) for name in (*Metric, "gpu/0/memory", "host/cpu.user")] == [None] * (
        len(Metric) + 2
    )


@pytest.mark.parametrize("name", ["", "=1+1", "a,b", 'a"b', "a\nb", "-x", "a b", "\u202ea", "ä", "x" * 65, "a\0"])
def test_other_names_of_metrics_are_refused(name: str) -> None:
    fault = metric_name_fault(name)
    assert fault is not None
    assert "take 1 to 64" in fault
