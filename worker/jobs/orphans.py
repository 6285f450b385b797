"""What an earlier start of this worker left behind when it was killed: its spools, and perhaps its trainers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

from worker.common.set_aside import set_aside
from worker.common.unfinished_checkpoints import remove_unfinished
from worker.contract.messages import LogLines, Sequenced
from worker.jobs.courier import Courier
from worker.jobs.outbox import Outbox
from worker.jobs.process_group import kill_remains
from worker.jobs.spool import Spool, SpoolHeader, read_spool, spool_paths, unfinished_paths
from worker.jobs.training_log import TAIL_LINES

log = logging.getLogger(__name__)


def adopt_orphans(folder: Path, *, files: Path, courier: Courier) -> None:
    """Sends what every spool still holds, and releases the attempts that had not ended."""
    for path in unfinished_paths(folder):
        with contextlib.suppress(OSError):
            path.unlink()
    for path in spool_paths(folder):
        found = _read(path)
        if found is None:
            continue
        spool, messages = found
        _end_remains(spool.header)
        remove_unfinished(files / "runs" / spool.header.run_id / f"attempt-{spool.header.attempt}")
        outbox = Outbox(spool, messages)
        if not outbox.is_final:
            log.info("run %s: releasing attempt %d, whose worker died", spool.header.run_id, spool.header.attempt)
            outbox.say("released", reason="its worker died", crashed=True, log_tail=_log_tail(messages))
        courier.add(outbox)


def _read(path: Path) -> tuple[Spool, list[Sequenced]] | None:
    """None for what is no spool, which is set aside; no file keeps a worker from its start."""
    try:
        found = read_spool(path) if path.is_file() else None
        if found is None:
            log.warning("the spool %s holds nothing that can be read; it was set aside as %s", path, set_aside(path))
    except OSError as error:
        log.warning("the spool %s cannot be read and is passed over: %s", path, error)
        return None
    return found


def _end_remains(header: SpoolHeader) -> None:
    """A trainer that has outlived its worker ends before another one may train the same run."""
    if header.trainer_pid is not None and kill_remains(header.trainer_pid, mark=header.trainer_mark):
        log.warning("run %s: a training process outlived its worker and was ended", header.run_id)


def _log_tail(messages: Sequence[Sequenced]) -> list[str]:
    lines = [line for message in messages if isinstance(message, LogLines) for line in message.lines]
    return lines[-TAIL_LINES:]
