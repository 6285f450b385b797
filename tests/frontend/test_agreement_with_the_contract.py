"""What JavaScript says by itself of metrics, statuses and settings is what the contract says."""

from __future__ import annotations

import random

import pytest
from pydantic import ValidationError

from backend.compare.routes import MOST_COMPARED
from backend.runs.inputs import MAX_NAME
from backend.runs.orders import order_of_runs
from backend.runs.queries import RunQuery
from tests.frontend.conftest import Run
from worker.contract.arms import FEWEST_ARMS, MOST_ARMS
from worker.contract.config import GROUPS, RunConfig
from worker.contract.names import Metric
from worker.contract.plan import USUAL_MOST, Plan
from worker.contract.seeds import LARGEST_SEED, MOST_SEEDS, SeedsRefused, parse_seeds
from worker.contract.status import TRANSITIONS, Actor, RunStatus

pytestmark = pytest.mark.browser


def test_every_metric_of_the_contract_has_a_place_in_the_charts_of_a_run(run: Run) -> None:
    drawn = run("charts", "m => m.CHARTS.flatMap(chart => chart.metrics.map(([name]) => name))")
    assert sorted(drawn) == sorted(metric.value for metric in Metric)


def test_every_metric_of_the_contract_can_be_compared(run: Run) -> None:
    compared = run("charts", "m => m.COMPARED.map(chart => chart.metric)")
    assert sorted(compared) == sorted(metric.value for metric in Metric)


def test_the_page_knows_every_status_that_can_be_shown(run: Run) -> None:
    assert sorted(run("status", "m => m.STATUSES")) == sorted([*RunStatus, "pausing", "stopping"])


def test_resume_is_offered_exactly_where_the_api_may_queue_a_run_again(run: Run) -> None:
    offered = run("status", "m => m.STATUSES.filter(status => m.allows({status}, 'resume'))")
    by_api = {before for (before, after), actors in TRANSITIONS.items() if after == "queued" and Actor.API in actors}
    assert set(offered) == {status.value for status in by_api} | {"pausing"}


def test_every_setting_becomes_a_field_with_its_words(run: Run) -> None:
    schema = {"schema": RunConfig.model_json_schema(), "groups": list(GROUPS)}
    fields = run("form", "(m, schema) => m.fieldsOf(schema)", schema)
    assert [field["name"] for field in fields] == list(RunConfig.model_fields)
    assert all(field["label"] and field["help"] and field["group"] in GROUPS for field in fields)
    kinds = {field["name"]: field["kind"] for field in fields}
    assert kinds["depth"] == kinds["dataset"] == "choice"
    assert kinds["flip"] == kinds["sd"] == "flag"
    assert kinds["lr"] == "number"
    assert kinds["epochs"] == "integer"


def test_the_form_sends_back_the_configuration_that_it_shows(run: Run) -> None:
    schema = {"schema": RunConfig.model_json_schema(), "groups": list(GROUPS)}
    config = RunConfig(depth=56, sd=True, lr=None, weight_decay=1e-4, flip=False, seed=7)
    sent = run(
        "form",
        "(m, [schema, config]) => { const fields = m.fieldsOf(schema); "
        "return m.configOf(fields, m.textsOf(fields, config)); }",
        [schema, config.model_dump(mode="json")],
    )
    assert RunConfig.model_validate(sent) == config


def test_a_seed_beyond_javascripts_integers_travels_unchanged(run: Run) -> None:
    schema = {"schema": RunConfig.model_json_schema(), "groups": list(GROUPS)}
    sent = run(
        "form",
        "(m, schema) => { const fields = m.fieldsOf(schema); "
        "return m.configOf(fields, {...m.textsOf(fields), seed: '9223372036854775807'}); }",
        schema,
    )
    assert RunConfig.model_validate(sent).seed == 2**63 - 1


def test_what_is_no_number_is_sent_as_it_was_typed(run: Run) -> None:
    schema = {"schema": RunConfig.model_json_schema(), "groups": list(GROUPS)}
    texts = {"epochs": "ten", "lr": "0,1", "batch": " 64 ", "min_lr": "1e-5", "momentum": "", "image_size": ""}
    sent = run(
        "form",
        "(m, [schema, texts]) => { const fields = m.fieldsOf(schema); "
        "return m.configOf(fields, {...m.textsOf(fields), ...texts}); }",
        [schema, texts],
    )
    assert {name: sent[name] for name in texts} == {
        "epochs": "ten",
        "lr": "0,1",
        "batch": 64,
        "min_lr": 1e-5,
        "momentum": "",
        "image_size": None,
    }


def read(text: str) -> tuple[list[int], str | None]:
    try:
        return parse_seeds(text), None
    except SeedsRefused as refusal:
        return [], str(refusal)


def test_seeds_are_read_as_the_service_and_the_command_lines_read_them(run: Run) -> None:
    rolled = random.Random(0)
    pieces = [
        *"0123456789--,, ;",
        "\u2013",
        "\u00a0",
        "\t",
        "\u202e",
        "\ufeff",
        "\x85",
        "\x00",
        "\U0001f600",
        "é",
        "x",
        ".",
    ]
    texts = ["".join(rolled.choices(pieces, k=rolled.randrange(10))) for _ in range(3000)]
    texts += ["0-4", "0, 2, 5-7", "0-49", "0-50", "4-0", "9" * 5000, "x" * 60, "\ud800", f"{LARGEST_SEED}"]
    texts += [f"{LARGEST_SEED + 1}", f"{LARGEST_SEED - 1}-{LARGEST_SEED}", "0-" + "9" * 18, "1, 0-3"]
    parse = "(m, texts) => texts.map(text => { const {seeds, problem} = m.parseSeeds(text); "
    parse += "return [seeds.map(String), problem]; })"
    found = run("seeds", parse, texts)
    for text, (seeds, problem) in zip(texts, found, strict=True):
        assert ([int(seed) for seed in seeds], problem) == read(text), repr(text)
    assert sum(problem is None for _, problem in found) > 100


def test_the_page_names_the_same_limits_as_the_service(run: Run) -> None:
    limits = run("limits", "m => [m.MOST_COMPARED, m.LONGEST_SEARCH, m.LONGEST_NAME, m.FEWEST_ARMS, m.MOST_ARMS]")
    _, longest_search, *_ = limits
    assert limits == [MOST_COMPARED, longest_search, MAX_NAME, FEWEST_ARMS, MOST_ARMS]
    usual = run("limits", "m => [m.USUAL_MOST_SEEDS, m.USUAL_CONFIDENCE]")
    assert usual == [USUAL_MOST, Plan().confidence]
    assert RunQuery(q="x" * longest_search)
    with pytest.raises(ValidationError):
        RunQuery(q="x" * (longest_search + 1))


def test_the_page_asks_for_no_more_at_once_than_the_service_gives(run: Run) -> None:
    asked = run(
        "run-listing",
        """async ({ RunListing }) => {
          const { RunStore } = await import("/static/js/store.js");
          const limits = [];
          const api = { runs: async ({ limit }) => (limits.push(limit), { items: [], next: null }) };
          const listing = new RunListing({
            api, runs: new RunStore(), live: new EventTarget(), signal: new AbortController().signal,
          });
          listing.show({ q: "x", status: "", sort: "name", rows: 5000 });
          await new Promise((resolve) => listing.addEventListener("changed", resolve));
          return limits;
        }""",
    )
    assert all(RunQuery(limit=limit) for limit in asked)


def test_the_service_can_sort_by_every_column_of_the_list(run: Run) -> None:
    for name in run("run-list", "m => m.SORTS"):
        order_of_runs(name)
        order_of_runs(f"-{name}")


def test_the_page_names_the_same_limits_of_seeds(run: Run) -> None:
    assert run("seeds", "m => [String(m.LARGEST_SEED), m.MOST_SEEDS]") == [str(LARGEST_SEED), MOST_SEEDS]
