"""Results from anywhere: what a CSV may look like, and what is said of one that cannot be read."""

from __future__ import annotations

import pytest

from worker.evidence.study import Ending
from worker.evidence.table import MOST_ARMS, TableRefused, read_study

PLAIN = "arm,seed,value\nbaseline,0,90.1\nsd,0,91\nbaseline,1,90.3\nsd,1,91.4\n"


def test_a_row_for_each_arm_and_seed() -> None:
    study = read_study(PLAIN)
    assert study.arms == ("baseline", "sd")
    assert study.planned == study.complete == (0, 1)
    assert study.values("sd", (0, 1)) == [91.0, 91.4]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        "\n\n" + PLAIN + "\n,,\n",
        PLAIN.replace("arm,seed,value", " Arm , SEED,Value "),
        "\n".join(",".join((c, "x", a, b)) for a, b, c in (line.split(",") for line in PLAIN.split())),
        PLAIN.replace("baseline", '"baseline"'),
    ],
    ids=["semicolons", "tabs", "CRLF", "byte order mark", "empty lines", "letters", "more columns", "quotes"],
)
def test_what_spreadsheets_write_is_read_alike(text: str) -> None:
    assert read_study(text) == read_study(PLAIN)


def test_the_reference_is_named_or_the_baseline_or_the_first() -> None:
    text = "arm,seed,value\nsd,0,1\nbaseline,0,2\nmixup,0,3\n"
    assert read_study(text).arms == ("baseline", "sd", "mixup")
    assert read_study(text, reference="mixup").arms == ("mixup", "sd", "baseline")
    assert read_study(text.replace("baseline", "plain")).arms == ("sd", "plain", "mixup")


def test_runs_without_a_value() -> None:
    study = read_study(PLAIN + "baseline,2,failed\nsd,2,\nbaseline,3,NaN\nsd,3,Stopped\nbaseline,4,90\nsd,4,\n")
    endings = {(result.arm, result.seed): result.told_ending for result in study.results}
    assert endings["baseline", 2] is Ending.FAILED
    assert endings["sd", 2] is Ending.PENDING
    assert endings["baseline", 3] is Ending.DIVERGED
    assert endings["sd", 3] is Ending.STOPPED
    assert study.pending == (4,)
    assert study.complete == (0, 1)


def test_seeds_may_be_words_and_some_of_them_planned() -> None:
    study = read_study("arm,seed,value\na,x,1\nb,x,2\na,y,1\nb,y,3\na,-1,3\nb,-1,4\n", planned=1)
    assert study.planned == ("x",)
    assert study.extra == ("y", "-1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the table is empty; its first line names the columns: arm,seed,value"),
        ("a,b\n1,2\n", "the first line has no column 'arm'"),
        ("arm,seed,value,Seed\n", "the first line has two columns 'seed'"),
        ("arm,seed,value\n", "the table has no row"),
        ("arm,seed,value\nsd,0,1\n", "the table has only arm 'sd'"),
        (PLAIN + "sd,1,3\n", "line 6: arm 'sd' has a value of seed 1 in line 5 already; leave one out"),
        (PLAIN + "sd,2\n", "line 6: it has 2 cells"),
        (PLAIN + ",2,1\n", "line 6: its arm is empty"),
        (PLAIN + "sd,,1\n", "line 6: its seed is empty"),
        (PLAIN + "sd,2,much\n", "line 6: value 'much' is no number"),
        (PLAIN.replace(",", ";") + "sd;2;91,4\n", "write decimals with a point"),
        (PLAIN + "sd,2,1e200\n", "line 6: value '1e200' is beyond 1e+100"),
        (PLAIN + 'sd,2,"1\n', "line 6: this is not CSV"),
        (PLAIN + "sd,2,\x1b[31m\n", "line 6: value '\\x1b[31m' is no number"),
        (
            "arm,seed,value\n" + "".join(f"a{arm},0,1\n" for arm in range(MOST_ARMS + 1)),
            f"the table has {MOST_ARMS + 1} arms; at most {MOST_ARMS}",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(TableRefused) as caught:
        read_study(text)
    assert sentence in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_reference_that_is_no_arm() -> None:
    with pytest.raises(TableRefused, match="reference 'plain' is no arm of the table; it has 'baseline', 'sd'"):
        read_study(PLAIN, reference="plain")
