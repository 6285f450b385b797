"""The parts of a page that opens from the disk, fetches nothing and runs no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from worker.report.markup import Markup, element
from worker.report.style import CONTENT_SECURITY_POLICY, STYLE, colour_class

ARM_TITLES = {"baseline": "Baseline", "sd": "Stochastic depth"}

#: A title, what it comes to, and a remark on that.
Tile = tuple[str, str, str]


def document(title: str, *content: Markup, header: Markup, footer: Markup | None = None) -> str:
    """The whole file. `header` says what it is of and `footer` who made it; the content between is its main part."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=CONTENT_SECURITY_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    body = element("body", header, element("main", *content), *([footer] if footer is not None else []))
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def table(label: str, head: Iterable[str], rows: Iterable[Sequence[str]]) -> Markup:
    """The first cell of each row names it. It scrolls by itself where the page is narrower."""
    titles = element("thead", element("tr", *(element("th", title, scope="col") for title in head)))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    ]
    whole = element("table", titles, element("tbody", *body))
    return element("div", whole, class_="scroller", tabindex="0", role="group", aria_label=label)


def tiles(rows: Iterable[Tile]) -> Markup:
    shown = [
        element("div", element("dt", title), element("dd", value, element("small", remark)))
        for title, value, remark in rows
    ]
    return element("dl", *shown, class_="tiles")


def facts(rows: Iterable[tuple[str, str]]) -> Markup:
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value)) for name, value in rows),
        class_="facts",
    )


def bullets(texts: Iterable[str]) -> Markup:
    return element("ul", *(element("li", text) for text in texts))


def legend(arms: Sequence[str]) -> Markup:
    """The arms in their order, by the names that they have in a comparison."""
    marks = [
        element("span", element("span", class_=f"mark {colour_class(place)}"), ARM_TITLES.get(arm, arm))
        for place, arm in enumerate(arms)
    ]
    return element("p", *marks, class_="legend")


def charts(figures: Iterable[Markup]) -> Markup:
    return element("div", *figures, class_="charts")
