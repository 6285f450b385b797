from __future__ import annotations

import re

from worker.report.markup import element
from worker.report.page import document


def test_a_report_has_its_landmarks_once_and_all_of_its_content_in_them() -> None:
    html = document(
        "title",
        element("h2", "first"),
        element("p", "last"),
        header=element("header", element("h1", "title")),
        footer=element("footer", "made by"),
    )
    body = re.search(r"<body>(.*)</body>", html)
    assert body is not None
    assert body[1] == ("<header><h1>title</h1></header><main><h2>first</h2><p>last</p></main><footer>made by</footer>")
