"""Files to download, whole or in parts."""

from __future__ import annotations

from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from backend.problems import problem

_DETAILS = {
    400: "The Range header was not understood; write it as bytes=FIRST-LAST, or leave it out for the whole file.",
    416: "The file has no such part; Content-Range says how long it is.",
}


class Download(FileResponse):
    """Answers to Range. Unlike Starlette's own it refuses a range with a problem, as everything else is refused."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_refused = False

        async def pass_on(message: Message) -> None:
            nonlocal is_refused
            if message["type"] == "http.response.start" and message["status"] in _DETAILS:
                is_refused = True
                length = Headers(raw=message["headers"]).get("content-range")
                headers = {"Content-Range": length} if length is not None else {}
                await problem(message["status"], _DETAILS[message["status"]], headers=headers)(scope, receive, send)
            elif not is_refused:
                await send(message)

        await super().__call__(scope, receive, pass_on)
