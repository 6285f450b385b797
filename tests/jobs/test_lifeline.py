"""The two ways in which a trainer learns that its supervisor is gone, each without the other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.jobs.parts import REPOSITORY, STAND_IN, is_alive, wait_until
from worker.contract.config import RunConfig
from worker.contract.messages import RunSpec
from worker.jobs.process_group import kill_remains, kill_session, process_mark, session_members
from worker.jobs.wire import MESSAGES_FD, Assignment

ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY)}
#: Starts the stand-in as a supervisor would, with its own stdin, and says its process id.
PARENT = (
    "import subprocess, sys; "
    "child = subprocess.Popen(sys.argv[2:], pass_fds=[int(sys.argv[1])], start_new_session=True); "
    "print(child.pid, flush=True); child.wait()"
)


class Family:
    """A parent with a trainer that makes steps and has a child of its own; stdin and messages are the test's."""

    def __init__(self, files: Path) -> None:
        self._messages, voice = os.pipe()
        command = [sys.executable, "-c", PARENT, str(voice), *STAND_IN.split()]
        self.parent = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=ENVIRONMENT | {MESSAGES_FD: str(voice)},
            pass_fds=[voice],
        )
        os.close(voice)
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        self.orders, self._output = self.parent.stdin, self.parent.stdout
        self.trainer = psutil.Process(int(self._output.readline()))
        self._assign(files)
        wait_until(lambda: len(session_members(self.trainer.pid)) == 2, what="the trainer's child")

    def _assign(self, files: Path) -> None:
        spec = RunSpec(run_id="r_1", attempt=1, name="children", config=RunConfig())
        assignment = Assignment(spec=spec, files=files, root_id="root", supervisor_pid=self.parent.pid)
        assignment.checkpoint_folder.mkdir(parents=True)
        self.orders.write(assignment.model_dump_json().encode() + b"\n")
        self.orders.flush()

    def end(self) -> None:
        kill_session(self.trainer.pid)
        self.parent.kill()
        self.parent.wait(10)
        self.orders.close()
        self._output.close()
        os.close(self._messages)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    made = Family(tmp_path)
    yield made
    made.end()


@pytest.mark.fault
def test_the_whole_group_dies_with_the_parent_even_while_the_pipe_is_open(family: Family) -> None:
    family.parent.kill()
    wait_until(lambda: session_members(family.trainer.pid) == [], seconds=2, what="the group to end")


@pytest.mark.fault
def test_the_end_of_the_pipe_ends_the_whole_group_even_while_the_parent_lives(family: Family) -> None:
    family.orders.close()
    wait_until(lambda: session_members(family.trainer.pid) == [], seconds=2, what="the group to end")
    assert family.parent.wait(5) == 0


@pytest.mark.fault
def test_what_outlived_its_worker_is_known_again_by_its_mark(family: Family) -> None:
    leader, mark = family.trainer.pid, process_mark(family.trainer.pid)
    assert not kill_remains(leader, mark=mark + "1"), "a later process with the same id"
    assert not kill_remains(leader, mark="another boot/" + mark.partition("/")[2])
    assert is_alive(family.trainer)
    assert kill_remains(leader, mark=mark)
    wait_until(lambda: session_members(leader) == [], what="the remains to end")
    assert not kill_remains(leader, mark=mark)


def test_a_trainer_started_by_hand_says_what_to_do_instead() -> None:
    command = [sys.executable, "-m", "worker.jobs.trainer"]
    answer = subprocess.run(
        command, cwd=REPOSITORY, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
    )
    assert answer.returncode == 1
    assert answer.stderr.strip().startswith("no assignment came: a worker starts the trainer")


def test_a_trainer_whose_supervisor_is_gone_already_does_not_begin(tmp_path: Path) -> None:
    spec = RunSpec(run_id="r_1", attempt=1, name="count", config=RunConfig())
    line = Assignment(spec=spec, files=tmp_path, root_id="root", supervisor_pid=1).model_dump_json() + "\n"
    command = [sys.executable, "-m", "worker.jobs.trainer"]
    environment = ENVIRONMENT | {MESSAGES_FD: "1"}
    answer = subprocess.run(
        command, cwd=REPOSITORY, env=environment, input=line, capture_output=True, text=True, timeout=30
    )
    assert answer.returncode == 1
    assert answer.stderr.strip() == "the supervisor has died"
    assert answer.stdout == ""
