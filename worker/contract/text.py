"""What a text from people or machines may hold, how terminals and CSV show it, and how texts are compared."""

from __future__ import annotations

import re
import unicodedata

#: Explicit embeddings, overrides and isolates: they show what stands around them in another order (Unicode TR 36, 3.5).
_REORDERING = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
#: Control characters, line and paragraph separators, halves of surrogate pairs.
_REFUSED_CATEGORIES = {
    "Cc": "control character",
    "Zl": "line separator",
    "Zp": "paragraph separator",
    "Cs": "half of a surrogate pair",
}
#: Unicode's Default_Ignorable_Code_Point: what is shown as nothing at all.
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_IGNORED = re.compile(f"[{_IGNORABLE}]+")
#: Neither a letter nor a sign to see: blanks (the braille one included), and marks that need a letter to stand on.
_BLANK = re.compile(f"[\\s{_IGNORABLE}\u2800]+")
_NEVER_RAW = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NOT_PLAIN = re.compile("[^\x20-\x7e]")

_BEGIN_FORMULAS = frozenset("=+-@\t\r\n＝＋－＠")

LINE_BREAKS_AND_TABS = "\n\r\t"
#: The rule for a name as JSON Schema can say it, and the same for a text of several lines.
LINE_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*$"
PROSE_PATTERN = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*$"


def text_fault(text: str, *, allowed: str = "") -> str | None:
    """The first character that no name may hold, as a sentence that says what to do; None where there is none.

    `allowed` holds characters that are taken nevertheless, such as the line breaks of a note.
    """
    for position, character in enumerate(text, start=1):
        if character in allowed:
            continue
        kind = _REFUSED_CATEGORIES.get(unicodedata.category(character))
        if character in _REORDERING:
            kind = "text direction control"
        if kind is not None:
            return f"the {kind} U+{ord(character):04X} at character {position} is not allowed; remove it"
    return None


def is_invisible(text: str) -> bool:
    """Would a list show nothing in its place? Empty text counts as invisible."""
    seen = _BLANK.sub("", text)
    return all(unicodedata.category(character) in ("Cc", "Cf", "Mn", "Me", "Zl", "Zp") for character in seen)


def without_faults(text: str, *, allowed: str = "") -> str:
    """The text without the characters that `text_fault` names, where a stored one goes on into something new."""
    return "".join(character for character in text if text_fault(character, allowed=allowed) is None)


def shown(text: str, *, keep: str = "") -> str:
    r"""For a terminal: what would move the cursor, reorder or hide text is written as \x1b, \u202e and the like.

    `keep` holds characters that stay as they are, such as the line breaks of a text of several lines.
    """
    pattern = _NOT_PLAIN if text and is_invisible(text) else _NEVER_RAW
    return pattern.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def shown_json(text: str) -> str:
    r"""The same of a JSON document, whose strings can say every character as \uXXXX."""
    return _NEVER_RAW.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def csv_text(text: str) -> str:
    """A text as a cell of CSV that no spreadsheet takes for a formula: one that begins like it gets an apostrophe."""
    if text[:1] not in _BEGIN_FORMULAS or _is_number(text):
        return text
    return f"'{text}"


def folded(text: str) -> str:
    """What texts are searched, sorted and compared by, the same on every database (Unicode's NFKC_Casefold).

    The dotted capital of Turkish counts as i, so that one who types i finds it.
    """
    text = _IGNORED.sub("", text)
    for _ in range(2):  # what is folded can compose anew, and what is composed be folded further
        text = unicodedata.normalize("NFD", text).casefold().replace("i\u0307", "i")
        text = _IGNORED.sub("", unicodedata.normalize("NFKC", text))
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _escaped(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if named is not None:
        return named
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
