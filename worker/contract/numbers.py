"""The whole numbers that travel, bounded by what every database keeps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

#: Of an INTEGER of Postgres.
LARGEST = 2**31 - 1
#: SQL counts revisions and attempts up by one, and never this far: whoever tells of a greater one is mistaken. What is
#: above is left for counting on from there.
LARGEST_COUNTED = LARGEST - 1_000_000
#: Of a BIGINT.
LARGEST_BYTES = 2**63 - 1

#: Attempts, revisions, steps and sequence numbers, and whatever else is counted.
Count = Annotated[int, Field(ge=0, le=LARGEST)]
#: What may exceed the 32 bits of a `Count`: sizes of files and disks, the parameters of a model.
Bytes = Annotated[int, Field(ge=0, le=LARGEST_BYTES)]
