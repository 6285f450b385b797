"""The commands that speak to a service, against a real API and database. No worker takes the runs: they stay queued."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.cli.run_text import say_runs
from backend.client import Client, Refused, Unreachable
from tests.cli.running import RunningUp, command_line


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    running = RunningUp(tmp_path_factory.mktemp("service") / "home", WITH_REAL_API="1")
    running.wait_for("ResDrop is ready", seconds=60)
    yield running
    running.clean_up()


def resdrop(service: RunningUp, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = command_line(*arguments, real=True, RESDROP_HOME=str(service.home))
    assert "Traceback" not in done.stderr, done.stderr
    return done


def launched(service: RunningUp, *arguments: str) -> str:
    return str(json.loads(resdrop(service, "runs", "launch", "--json", *arguments).stdout)["id"])


def test_a_run_is_launched_shown_paused_resumed_stopped_and_deleted(service: RunningUp) -> None:
    said = resdrop(service, "runs", "launch", "--name", "by hand", "--epochs", "4", "--batch", "64", "--tag", "mine")
    assert said.returncode == 0, said.stderr
    run_id = said.stdout.split()[0]
    shown = resdrop(service, "runs", "show", run_id).stdout
    assert "by hand" in shown
    assert "epochs=4 batch=64" in shown
    for verb, status in (("pause", "paused"), ("resume", "queued"), ("stop", "stopped")):
        assert resdrop(service, "runs", verb, run_id).stdout == f"{run_id} is {status}\n"
    assert run_id in resdrop(service, "runs", "list", "--tag", "mine", "--status", "stopped").stdout
    assert resdrop(service, "runs", "watch", run_id).returncode == 1
    assert resdrop(service, "runs", "delete", run_id).returncode == 0
    gone = resdrop(service, "runs", "show", run_id)
    assert gone.returncode == 1
    assert run_id in gone.stderr


def test_settings_are_laid_over_the_preset(service: RunningUp) -> None:
    run_id = launched(service, "--preset", "demo", "--epochs", "7", "--warmup-epochs", "2")
    config = json.loads(resdrop(service, "runs", "show", "--json", run_id).stdout)["config"]
    assert (config["epochs"], config["warmup_epochs"], config["batch"]) == (7, 2, 32)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch", "4096"], "batch: batch 4096 exceeds the 1437 training images of digits; lower it to 1437 or less"),
        (["--epochs", "many", "--batch", "32"], "epochs: epochs 'many'"),
        (["--pL", "0", "--batch", "32"], "pL: pL '0'"),
        (["--dataset", "cifar10"], "data_dir: cifar10 needs data_dir"),
        (["--preset", "no-such"], "--preset: there is no preset 'no-such'; there are demo"),
    ],
)
def test_a_refused_setting_is_named_with_its_limit_and_nothing_is_launched(
    service: RunningUp, arguments: list[str], said: str
) -> None:
    before = resdrop(service, "runs", "list", "--json").stdout
    done = resdrop(service, "runs", "launch", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert resdrop(service, "runs", "list", "--json").stdout == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "launch", "--epoch", "3"], "did you mean --epochs?"),
        (["runs", "lauch"], "invalid choice: 'lauch'"),
        (["runs", "list", "--limit", "0"], "--limit 0"),
        (["runs", "list", "--status", "asleep"], "asleep"),
        (["runs", "show", "../health"], "../health"),
        (["runs", "pause", "r_nothing"], "r_nothing"),
        (["comparisons", "create", "--seeds", "0,x"], "seed 'x' is neither a whole number"),
        (["comparisons", "create", "--preset", "demo", "--seeds", "1,1"], "seed 1 is named twice; leave one out"),
        (["comparisons", "create", "--preset", "demo", "--sd", "1"], "each seed gets a run without and one with it"),
        (["comparisons", "create", "--preset", "demo", "--vary", "pL"], "'pL' names no values; write SETTING=V1,V2"),
        (["comparisons", "create", "--preset", "demo", "--vary", "pL=0.5,7"], "arm 'pL 7': pL 7 exceeds 1"),
        (["comparisons", "create", "--preset", "demo", "--arm", "a:sd"], "'sd' of 'a:sd' has no value"),
        (["comparisons", "create", "--preset", "demo", "--arm", "a:sd=1"], "at least 2"),
        (["comparisons", "create", "--preset", "demo", "--arm", "a:sd=1,sd=0"], "names sd twice; leave one out"),
        (["comparisons", "create", "--preset", "demo", "--margin", "1"], "margin belongs to the question"),
        (["comparisons", "show", "c_nothing"], "c_nothing"),
        (["datasets", "add", "signs", "--dataset", "imagefolder"], "--data-dir"),
        (
            ["datasets", "add", "My Signs", "--dataset", "imagefolder", "--data-dir", "/a"],
            "name 'My Signs': take lower",
        ),
        (
            ["datasets", "add", "signs", "--dataset", "imagefolder", "--data-dir", "a"],
            "data_dir 'a' is not an absolute",
        ),
        (["datasets", "add", "digits", "--dataset", "cifar10", "--data-dir", "/a"], "built-in dataset; take another"),
        (["datasets", "remove", "../runs"], "`resdrop datasets list`"),
        (["runs", "list", "--url", "http://127.0.0.1:9"], "Nothing answers at http://127.0.0.1:9"),
        (["runs", "list", "--url", "ftp://127.0.0.1"], "ftp://127.0.0.1"),
        (["runs", "list", "--url", "http://[::1"], "http://[::1"),
    ],
)
def test_bad_input_gets_one_clear_sentence(service: RunningUp, arguments: list[str], said: str) -> None:
    done = resdrop(service, *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr


def test_arms_are_named_varied_or_of_a_template(service: RunningUp) -> None:
    def arms(*options: str) -> list[tuple[str, dict[str, object]]]:
        done = resdrop(service, "comparisons", "create", "--preset", "demo", "--json", *options)
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout)
        resdrop(service, "runs", "stop", *(run["id"] for run in made["runs"]))
        return [(arm["name"], arm["settings"]) for arm in made["arms"]]

    assert arms("--vary", "pL=0.5,0.8", "--sd", "1") == [("pL 0.5", {"pL": 0.5}), ("pL 0.8", {"pL": 0.8})]
    assert arms("--arm", "plain", "--arm", "more of it:epochs=3,nesterov=true,lr=none") == [
        ("plain", {}),
        ("more of it", {"epochs": 3, "nesterov": True, "lr": None}),
    ]
    assert [name for name, _ in arms("--template", "survival")][:3] == ["baseline", "pL 0.9", "pL 0.8"]


def test_a_sequential_plan_says_how_far_it_is(service: RunningUp) -> None:
    plan = ("--stopping", "sequential", "--max-seeds", "4", "--confidence", "0.9")
    done = resdrop(service, "comparisons", "create", "--preset", "demo", *plan)
    assert "1 seed so far; more are launched until the plan is decided" in done.stdout, done.stderr
    found = json.loads(resdrop(service, "comparisons", "show", "--json", done.stdout.split()[0]).stdout)
    assert (found["plan"]["max_seeds"], found["plan"]["confidence"], found["is_open"]) == (4, 0.9, True)
    resdrop(service, "runs", "stop", *(run["id"] for run in found["runs"]))
    edited = resdrop(service, "comparisons", "edit", found["id"], "--name", "another", "--stopping", "fixed", "--json")
    plan = json.loads(edited.stdout)["plan"]
    assert (plan["stopping"], plan["max_seeds"], plan["confidence"]) == ("fixed", None, 0.9), edited.stderr


def test_a_comparison_is_launched_and_shown_with_its_pairs(service: RunningUp) -> None:
    told = ("--name", "two seeds", "--tag", "told", "--notes", "by hand")
    done = resdrop(service, "comparisons", "create", "--preset", "demo", "--seeds", "3, 5-6", *told)
    assert done.returncode == 0, done.stderr
    comparison_id = done.stdout.split()[0]
    shown = json.loads(resdrop(service, "comparisons", "show", "--json", comparison_id).stdout)
    assert [(run["seed"], run["arm"]) for run in shown["runs"]] == [
        (3, "baseline"),
        (3, "sd"),
        (5, "baseline"),
        (5, "sd"),
        (6, "baseline"),
        (6, "sd"),
    ]
    assert comparison_id in resdrop(service, "comparisons", "list").stdout
    tagged = json.loads(resdrop(service, "runs", "list", "--tag", "told", "--json").stdout)
    assert [run["notes"] for run in tagged] == ["by hand"] * 6


def test_a_comparison_is_written_to_a_page(service: RunningUp, tmp_path: Path) -> None:
    made = resdrop(service, "comparisons", "create", "--preset", "demo", "--name", "Ünder way")
    comparison_id = made.stdout.split()[0]
    file = tmp_path / "report.html"
    done = resdrop(service, "comparisons", "report", comparison_id, "--out", str(file))
    assert (done.returncode, done.stdout) == (0, f"{file}\n"), done.stderr
    assert "<h1>Ünder way</h1>" in file.read_text(encoding="utf-8")
    nowhere = resdrop(service, "comparisons", "report", comparison_id, "--out", str(tmp_path))
    assert nowhere.returncode == 1
    assert "name a file that can be written" in nowhere.stderr


def test_a_folder_gets_a_name_and_loses_it(service: RunningUp, tmp_path: Path) -> None:
    (tmp_path / "train" / "stop").mkdir(parents=True)
    added = resdrop(service, "datasets", "add", "signs", "--dataset", "imagefolder", "--data-dir", str(tmp_path))
    assert (added.returncode, added.stdout) == (0, f"signs is imagefolder in {tmp_path}\n"), added.stderr
    listed = resdrop(service, "datasets", "list").stdout.splitlines()
    assert [line.split()[0] for line in listed][:2] == ["NAME", "digits"]
    assert listed[-1].split() == ["signs", "signs", "imagefolder", "1", str(tmp_path)]
    found = json.loads(resdrop(service, "datasets", "list", "--json").stdout)[-1]
    assert (found["name"], found["data_dir"], found["registered"]) == ("signs", str(tmp_path), True)
    gone = resdrop(service, "datasets", "remove", "no-such", "signs")
    assert gone.returncode == 1
    assert "there is no registered dataset 'no-such'" in gone.stderr
    assert gone.stdout == "signs is removed; its folder stays as it is\n"
    assert "signs" not in resdrop(service, "datasets", "list").stdout


def test_status_tells_of_the_service_itself(service: RunningUp) -> None:
    launched(service, "--preset", "demo", "--name", "waiting")
    told = resdrop(service, "status").stdout
    assert "database ok, redis ok" in told
    assert "waiting" in told


def test_the_python_client_launches_once_for_one_key_and_reports_refusals_by_field(service: RunningUp) -> None:
    with Client(service.url) as client:
        once, again = (client.launch(client.preset("demo"), idempotency_key="the same") for _ in range(2))
        assert once["id"] == again["id"]
        with pytest.raises(Refused) as refused:
            client.launch({"dataset": "digits", "batch": 32, "lr": -1})
        assert refused.value.status == 422
        assert list(refused.value.errors) == ["lr"]
        assert {run["id"] for run in client.runs()} >= {once["id"]}


def test_the_python_client_says_when_nothing_answers() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(Unreachable):
        client.health()


def test_without_a_running_service_the_command_says_how_to_start_one(tmp_path: Path) -> None:
    done = command_line("runs", "list", "--home", str(tmp_path), real=True)
    assert done.returncode == 1
    assert "start it with `resdrop up`" in done.stderr


def test_a_refused_run_keeps_none_of_the_others_from_being_paused(service: RunningUp) -> None:
    first = launched(service, "--preset", "demo", "--name", "one")
    second = launched(service, "--preset", "demo", "--name", "another")
    done = resdrop(service, "runs", "pause", first, "r_nowhere", second)
    assert done.returncode == 1
    assert "r_nowhere" in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [first, second]


@pytest.mark.parametrize("typed", [["--seed", "5"], ["--sd", "1"]])
def test_what_makes_the_pairs_cannot_be_set(service: RunningUp, typed: list[str]) -> None:
    done = resdrop(service, "comparisons", "create", "--preset", "demo", *typed)
    assert done.returncode == 1
    assert f"{typed[0]} is set by the comparison itself" in done.stderr


def test_a_table_of_runs_keeps_both_ends_of_a_long_name(capsys: pytest.CaptureFixture[str]) -> None:
    run = {"id": "r_1", "name": f"{'a long campaign ' * 4}· baseline · seed 7", "status": "queued", "created_at": None}
    say_runs([run])
    assert "a long campaign …seline · seed 7  queued" in capsys.readouterr().out
