"""The seeds of a comparison as people write them: whole numbers and ranges, such as "0, 2, 5-7".

Both command lines and the API read them here. The page has the same in frontend/js/seeds.js, which a test keeps equal,
sentences included.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NoReturn

LARGEST_SEED = 2**63 - 1
MOST_SEEDS = 50
EXAMPLE = "0, 2, 5-7"
#: A text of seeds, as a JSON Schema has it; each of its parts is read by `_PART`.
PATTERN = r"^[0-9]+( *- *[0-9]+)?(( *[,;] *| +)[0-9]+( *- *[0-9]+)?)*$"

_SPACE = " \t\r\n\u00a0"
_SEPARATOR = re.compile(f"[{_SPACE}]*[,;][{_SPACE}]*|[{_SPACE}]+")
#: A hyphen, or the dash into which some programs make it.
_DASH = re.compile(f"[{_SPACE}]*[-\u2013][{_SPACE}]*")
_PART = re.compile(r"([0-9]+)(?:-([0-9]+))?")
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LONGEST_SHOWN = 40


class SeedsRefused(ValueError):
    """Says what is wrong with the seeds that were named, with the limit and the remedy."""


def parse_seeds(text: str) -> list[int]:
    """In the order in which they are named, each once. Raises SeedsRefused."""
    ranges = [_range(part) for part in _parts(text)]
    count = sum(last - first + 1 for first, last in ranges)
    if count > MOST_SEEDS:
        raise SeedsRefused(f"{count} seeds are named and a comparison has at most {MOST_SEEDS}; name fewer")
    seeds = [seed for first, last in ranges for seed in range(first, last + 1)]
    twice = next((seed for index, seed in enumerate(seeds) if seed in seeds[:index]), None)
    if twice is not None:
        raise SeedsRefused(f"seed {twice} is named twice; leave one out")
    return seeds


def seeds_of(given: object) -> list[int]:
    """The same of a JSON value: a text, or a list of whole numbers and texts. Raises SeedsRefused."""
    if isinstance(given, str):
        return parse_seeds(given)
    if not isinstance(given, Iterable) or isinstance(given, dict | bytes):
        raise SeedsRefused(f"seeds {_shown(_as_json(given))} names none; send a list of whole numbers, or {EXAMPLE!r}")
    return parse_seeds(",".join(_texts(given)))


def _texts(items: Iterable[object]) -> Iterator[str]:
    for item in items:
        if isinstance(item, float) and item.is_integer() and item >= 0:
            yield str(int(item))
        elif isinstance(item, str):
            yield item
        else:
            text = _as_json(item)
            # What is no number must not come apart at a comma of its own.
            yield text if _PART.fullmatch(text) else _refuse(text)


def _parts(text: str) -> list[str]:
    parts = _SEPARATOR.split(_DASH.sub("-", text).strip(_SPACE))
    if parts == [""]:
        raise SeedsRefused(f"no seed is named; write whole numbers and ranges, such as {EXAMPLE}")
    # Whoever types a list has a comma at its end now and then.
    return parts[:-1] if parts[-1] == "" else parts


def _range(part: str) -> tuple[int, int]:
    """The first and the last seed of it."""
    found = _PART.fullmatch(part)
    if found is None:
        _refuse(part)
    first, last = (_seed(digits) for digits in (found[1], found[2] or found[1]))
    if last < first:
        raise SeedsRefused(f"the range {first}-{last} of seeds ends before it begins; write {last}-{first}")
    return first, last


def _seed(digits: str) -> int:
    # Compared by their number first: Python does not read more than some thousand digits.
    if len(digits.lstrip("0")) > len(str(LARGEST_SEED)) or int(digits) > LARGEST_SEED:
        raise SeedsRefused(f"seed {_shown(digits)} exceeds {LARGEST_SEED}; give that or less")
    return int(digits)


def _refuse(part: str) -> NoReturn:
    raise SeedsRefused(
        f"seed '{_shown(part)}' is neither a whole number of 0 or more nor a range of them; write such as {EXAMPLE}"
    )


def _as_json(value: object) -> str:
    return json.dumps(value, default=repr)


def _shown(text: str) -> str:
    """Not longer than a line, and without what would not be seen or would reorder the rest."""
    seen = "".join("\ufffd" if unicodedata.category(sign) in _UNPRINTABLE else sign for sign in text)
    return seen if len(seen) <= _LONGEST_SHOWN else seen[: _LONGEST_SHOWN - 3] + "..."
