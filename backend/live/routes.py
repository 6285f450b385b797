"""GET /live: server-sent events."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from backend.errors import BadInput
from backend.parts import PartsOf
from backend.problems import described_file

router = APIRouter(tags=["live"])

MOST_WATCHED = 200
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@router.get(
    "/live",
    operation_id="follow_changes",
    summary="What changes, as server-sent events",
    response_class=StreamingResponse,
    responses=described_file("text/event-stream", "Events without end."),
)
async def get_live(
    parts: PartsOf,
    since: Annotated[str | None, Query(description="The `change` of the snapshot that is shown.")] = None,
    runs: Annotated[
        str, Query(description="Runs whose points and log lines are wanted, separated by commas; `*` for all.")
    ] = "",
    last_event_id: Annotated[
        str | None, Header(description="What a browser sends by itself when it connects again.")
    ] = None,
) -> StreamingResponse:
    """Events `run`, `points`, `rewound`, `deleted`, `comparison`, `workers`, `log`, `reset` and `beat`.

    The id of an event is the number of its change; a browser that lost the connection sends the last one again and
    is told what it missed. `reset` says that this cannot be told any more.
    """
    watched = [run_id for run_id in runs.split(",") if run_id]
    odd = next((one for one in watched if one != "*" and not _ID.fullmatch(one)), None)
    if odd is not None or ("*" in watched and runs != "*"):
        shown = "*" if odd is None else odd[:80]
        raise BadInput({"runs": [f"runs: {shown!r} is no id of a run; name ids, separated by commas, or * alone"]})
    if len(watched) > MOST_WATCHED:
        raise BadInput({"runs": [f"runs names {len(watched)} runs; watch {MOST_WATCHED} or fewer at once"]})
    number = _number(since)
    if since is not None and number is None:
        raise BadInput(
            {"since": [f"since {since[:80]!r} is no change; give the `change` of a snapshot, a whole number"]}
        )
    # A browser cannot help what it sends here, so that it is told to ask anew.
    is_lost = bool(last_event_id) and _number(last_event_id) is None
    texts = parts.live.stream(
        since=_number(last_event_id) if last_event_id else number,
        is_lost=is_lost,
        runs=None if runs == "*" else watched,
    )
    # Proxies are to pass on each event as it comes.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(texts, media_type="text/event-stream", headers=headers)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 17 else None
