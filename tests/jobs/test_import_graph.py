from __future__ import annotations

from tests.jobs.parts import imported_modules


def test_the_worker_never_imports_torch() -> None:
    modules = imported_modules("worker.jobs.__main__")
    assert "worker.jobs.supervisor" in modules
    assert [name for name in modules if name.split(".")[0] in ("torch", "torchvision") or "engine" in name] == []


def test_importing_the_worker_reads_no_settings_and_opens_no_connection() -> None:
    modules = imported_modules("worker.jobs.station", RESDROP_STALL_SECONDS="nonsense", RESDROP_REDIS_URL="nonsense")
    assert "worker.jobs.station" in modules
