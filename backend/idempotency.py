"""A creating request that is sent twice with one Idempotency-Key creates once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session

from backend.db.tables import Base, IdempotencyKey
from backend.errors import BadInput, Conflict
from backend.security.navigation import route_path

Created = TypeVar("Created", bound=Base)
_FIELD = "Idempotency-Key"


@dataclass(frozen=True)
class Once:
    """The key of a request and where it was sent; `key` None makes every request its own."""

    key: str | None
    path: str

    def find(self, session: Session, kind: type[Created], body: BaseModel | None) -> Created | None:
        """What the same request created before, None if nothing.

        Raises BadInput where the key came with another body, Conflict where what it created is gone.
        """
        known = session.get(IdempotencyKey, (self.key, self.path)) if self.key is not None else None
        if known is None:
            return None
        if known.request_sha256 != _sha256(body):
            text = f"{_FIELD} {self.key!r} was sent before with another request; take a new key for a new one"
            raise BadInput({_FIELD: [text]})
        created = session.get(kind, known.created_id)
        if created is None:
            raise Conflict(f"{_FIELD} {self.key!r} created {known.created_id}, which has been deleted; take a new key")
        return created

    def remember(self, session: Session, created_id: str, body: BaseModel | None) -> None:
        if self.key is None:
            return
        row = IdempotencyKey(key=self.key, path=self.path, request_sha256=_sha256(body), created_id=created_id)
        row.created_at = datetime.now(UTC)
        session.add(row)


def _sha256(body: BaseModel | None) -> str:
    return hashlib.sha256(body.model_dump_json().encode() if body is not None else b"").hexdigest()


async def _once(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias=_FIELD,
            min_length=1,
            max_length=200,
            pattern=r"^[\x20-\x7e]+$",
            description="Sent again with the same request within a day, it creates nothing more.",
        ),
    ] = None,
) -> Once:
    return Once(key, route_path(request.scope)[:200])


OnceOf = Annotated[Once, Depends(_once)]
