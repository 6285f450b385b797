"""Nothing of a request is passed over unread: a body that nobody takes, a header that is there twice, an encoding."""

from __future__ import annotations

from email.message import Message

from fastapi import Request
from starlette.exceptions import HTTPException

from backend.errors import BadInput

#: What a client may send where nothing is taken, as many do of themselves.
_NOTHING = (b"", b"{}", b"null")
_ONCE = ("Idempotency-Key", "Content-Type", "Content-Encoding")
_LONGEST = 80


async def refuse_unread(request: Request) -> None:
    """For every route, as a dependency. Raises BadInput and HTTPException."""
    for name in _ONCE:
        if (count := len(request.headers.getlist(name))) > 1:
            raise BadInput({name: [f"the header {name} is there {count} times; send it once"]})
    if getattr(request.scope.get("route"), "body_field", None) is not None:
        _refuse_encodings(request)
    elif await _has_body(request):
        raise BadInput({"body": [f"{request.method} {request.url.path} takes no body; send none"]})


def _refuse_encodings(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise HTTPException(415, f"Content-Encoding {encoding[:_LONGEST]!r} is not read; send the body as it is.")
    charset = _charset(request.headers.get("content-type", ""))
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise HTTPException(415, f"The charset {charset[:_LONGEST]!r} is not read; send JSON as UTF-8.")


async def _has_body(request: Request) -> bool:
    if not request.headers.get("transfer-encoding") and request.headers.get("content-length", "0") == "0":
        return False
    return (await request.body()).strip() not in _NOTHING


def _charset(content_type: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    return str(header.get_param("charset") or "").lower()
