"""HTML that is put together from elements, so that no text can be taken for markup."""

from __future__ import annotations

from html import escape

_WITHOUT_CONTENT = frozenset({"meta", "line"})


class Markup(str):
    """Text that is HTML already; only `element` and constants of our own source make it."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | float) -> Markup:
    """One element; children that are no markup are escaped. `class_` is class, other underscores are hyphens."""
    given = "".join(f' {_attribute(key)}="{escape(str(value))}"' for key, value in attributes.items())
    if name in _WITHOUT_CONTENT:
        return Markup(f"<{name}{given}/>")
    content = "".join(child if isinstance(child, Markup) else escape(child) for child in children)
    return Markup(f"<{name}{given}>{content}</{name}>")


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
