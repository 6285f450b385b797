"""Results from anywhere: a CSV of arm, seed and value."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from worker.evidence.study import LARGEST, MOST_ARMS, Ending, Result, Seed, Study

COLUMNS = ("arm", "seed", "value")
MOST_ROWS = 100_000
LONGEST = 16_000_000
#: The reference where none is named and an arm is called so.
USUAL_REFERENCE = "baseline"
_ENDINGS = {"": Ending.PENDING, **{ending.value: ending for ending in Ending if ending is not Ending.COMPLETED}}
_SHOWN = 60


class TableRefused(ValueError):
    """Says in which line, what is wrong and what to do."""


def read_study(
    text: str, *, reference: str | None = None, higher_is_better: bool = True, planned: int | None = None
) -> Study:
    """The study of a table with a header and one row for each arm and seed, in any order.

    A value is a number, or empty for a run that has not ended, or failed, stopped, diverged or deleted; `nan` and `inf`
    are divergences. Seeds are planned in the order in which they come, or the first `planned` of them. The reference is
    the arm so named, else the arm "baseline", else the first. Raises TableRefused.
    """
    results = list(_results(text))
    arms = list(dict.fromkeys(result.arm for result in results))
    if len(arms) < 2:
        only = f"only arm {_shown(arms[0])}" if arms else "no row"
        raise TableRefused(f"the table has {only}; a comparison takes two arms or more, one row for each arm and seed")
    if len(arms) > MOST_ARMS:
        raise TableRefused(f"the table has {len(arms)} arms; at most {MOST_ARMS} are compared at once")
    first = _reference(arms, reference)
    seeds = tuple(dict.fromkeys(result.seed for result in results))
    return Study(
        arms=(first, *(arm for arm in arms if arm != first)),
        planned=seeds[:planned],
        results=tuple(results),
        higher_is_better=higher_is_better,
    )


def _reference(arms: list[str], asked: str | None) -> str:
    if asked is None:
        return USUAL_REFERENCE if USUAL_REFERENCE in arms else arms[0]
    if asked not in arms:
        raise TableRefused(f"reference {_shown(asked)} is no arm of the table; it has {', '.join(map(_shown, arms))}")
    return asked


def _results(text: str) -> Iterator[Result]:
    if len(text) > LONGEST:
        raise TableRefused(
            f"the table has more than {LONGEST:,} characters; give the columns arm, seed and value alone"
        )
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=_delimiter(text), strict=True)
    places: dict[str, int] | None = None
    seen: dict[tuple[str, Seed], int] = {}
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if places is None:
                places = _places(row)
                continue
            line = reader.line_num
            if len(seen) == MOST_ROWS:
                raise TableRefused(f"the table has more than {MOST_ROWS:,} rows; give one for each arm and seed")
            result = _result(row, places, line)
            before = seen.setdefault((result.arm, result.seed), line)
            if before != line:
                raise TableRefused(
                    f"line {line}: arm {_shown(result.arm)} has a value of seed {result.seed} in line {before} "
                    "already; leave one out"
                )
            yield result
    except csv.Error as error:
        raise TableRefused(f"line {reader.line_num}: this is not CSV ({error})") from error
    if places is None:
        raise TableRefused("the table is empty; its first line names the columns: arm,seed,value")


def _places(header: list[str]) -> dict[str, int]:
    names = [cell.strip().lower() for cell in header]
    for column in COLUMNS:
        if names.count(column) != 1:
            what = "no column" if column not in names else "two columns"
            raise TableRefused(
                f"the first line has {what} {column!r}; it names the columns arm, seed and value, and others are "
                f"passed over. It is: {_shown(','.join(header))}"
            )
    return {column: names.index(column) for column in COLUMNS}


def _result(row: list[str], places: dict[str, int], line: int) -> Result:
    if len(row) <= max(places.values()):
        raise TableRefused(f"line {line}: it has {len(row)} cells, and the first line names more columns; fill them in")
    arm, seed, value = (row[places[column]].strip() for column in COLUMNS)
    for column, cell in (("arm", arm), ("seed", seed)):
        if not cell:
            raise TableRefused(f"line {line}: its {column} is empty; fill it in")
    ending = _ENDINGS.get(value.lower())
    if ending is not None:
        return Result(arm=arm, seed=_seed(seed), ending=ending)
    return Result(arm=arm, seed=_seed(seed), value=_value(value, line))


def _seed(cell: str) -> Seed:
    return int(cell) if cell.isascii() and cell.isdecimal() and len(cell) < 20 else cell


def _value(cell: str, line: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        comma = "; write decimals with a point" if "," in cell else ""
        raise TableRefused(
            f"line {line}: value {_shown(cell)} is no number{comma}. Leave it empty for a run that has not ended, or "
            "say failed, stopped or diverged"
        ) from None
    if LARGEST < abs(value) < float("inf"):
        raise TableRefused(f"line {line}: value {_shown(cell)} is beyond {LARGEST:g}; give it in another unit")
    return value


def _delimiter(text: str) -> str:
    """As the first line has it: what spreadsheets write where a comma stands in numbers is a semicolon."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max((",", ";", "\t"), key=first.count)


def _shown(text: str) -> str:
    text = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
    return ascii(text) if not text.isprintable() else f"'{text}'"
