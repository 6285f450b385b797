"""The real command line with small programs in place of the parts; Redis is the real one.

With WITH_REAL_API, API and controller are real too, and only nobody trains.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from backend.cli.__main__ import main
from backend.process import programs
from backend.process.programs import Program

PART = f'"%(ENV_RESDROP_UP_PYTHON)s" -P "{Path(__file__).with_name("part.py")}" '

if not os.environ.get("WITH_REAL_API"):
    programs.API = Program("api", PART + "api", stop_seconds=5)
    programs.CONTROLLER = Program("controller", PART + "controller", stop_seconds=5)
programs.WORKER = Program("worker", PART + "worker", stop_seconds=20)

sys.exit(main(sys.argv[1:]))
