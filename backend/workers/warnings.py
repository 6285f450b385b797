"""What a person should know of a worker, in sentences with the remedy."""

from __future__ import annotations

from backend.db.tables import Worker
from backend.workers.clocks import clock_skew
from worker.contract import CONTRACT


def warnings_of(worker: Worker) -> list[str]:
    found = (_of_clock(worker), _of_version(worker), _of_refusal(worker), _of_rival(worker))
    return [text for text in found if text]


def _of_clock(worker: Worker) -> str:
    ahead = clock_skew(worker)
    if ahead is None:
        return ""
    where = "ahead of" if ahead > 0 else "behind"
    return (
        f"its clock is {abs(ahead):g} s {where} the service's: the times in its own files (train.log, TensorBoard) are "
        "off by as much, nothing else; let NTP set it"
    )


def _of_version(worker: Worker) -> str:
    if worker.contract == CONTRACT:
        return ""
    version = worker.versions.get("resdrop")
    named = f"ResDrop {version}" if version else "an earlier ResDrop"
    return (
        f"it is of another version ({named}, which speaks contract {worker.contract}; the service speaks {CONTRACT}): "
        "runs with settings that it does not know are not trained there; run the same version on both"
    )


def _of_refusal(worker: Worker) -> str:
    return f"it refused {worker.refusal}" if worker.refusal else ""


def _of_rival(worker: Worker) -> str:
    rival = worker.rival
    if rival is None or not rival["is_certain"]:
        return ""
    return (
        f"a second worker with this identity, on {rival['host']}, is refused and waits: if its machine or folders were "
        "copied from this one, remove worker.json in its folder there (its log names it) and start it again"
    )
