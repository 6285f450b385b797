import { onceReachable, upToDate } from "../again.js";
import { addresses } from "../api.js";
import { ago, localTime } from "../format.js";
import { element, fill, html, refs } from "../html.js";
import { icon } from "../icons.js";
import { USUAL_MOST_SEEDS } from "../limits.js";
import { paths } from "../router.js";
import { pairLabel } from "../run-names.js";
import { MODES, armName } from "../run-words.js";
import { allows } from "../status.js";
import { createCompareView } from "./compare-view.js";
import { images } from "./images.js";
import { actOnMany } from "./run-actions.js";
import { verdict } from "./verdict.js";

const BUTTONS = [
  ["pause", "Pause all"],
  ["resume", "Resume all"],
  ["stop", "Stop all"],
];

/** What the comparison was launched with and has no more; nothing where all of it is there. */
function deletedRuns(deleted) {
  if (!deleted?.length) return "";
  const named = deleted.map(({ arm, seed }) => html`<li>${pairLabel(arm, seed)} (deleted)</li>`);
  return html`
    <div class="callout callout--info" data-testid="deleted-runs">${icon("info")}<div>${
      deleted.length === 1 ? "A run" : `${deleted.length} runs`
    } of this comparison can no longer be shown:<ul class="deleted-runs">${named}</ul></div></div>`;
}

const page = (comparison) => html`
  <div class="page page--wide">
    <nav class="crumbs" aria-label="Breadcrumb"><a href="${paths.compare()}">Compare</a>
      <span aria-hidden="true">/</span><code>${comparison.id}</code></nav>
    <div class="page__head">
      <div><h1 data-testid="comparison-name">${comparison.name}</h1>
        <p class="page__sub">${designOf(comparison)} ·
        ${MODES[comparison.mode]} · <time datetime="${comparison.created_at}"
          title="${localTime(comparison.created_at)}">${ago(comparison.created_at)}</time></p></div>
      <div class="button-row"><div class="button-row" data-ref="actions">${BUTTONS.map(
        ([action, label]) => html`<button type="button" class="button"
        data-action="${action}" data-testid="all-${action}">${icon(action)}<span>${label}</span></button>`,
      )}</div>
        <a class="button" href="${addresses.report(comparison.id)}" target="_blank" rel="noopener"
          title="A page that opens without ResDrop, to keep or send on" data-testid="report"
          >${icon("link")}<span>Report</span></a>
        <a class="button" href="${addresses.results(comparison.id)}" download title="A row for each run, which resdrop evidence reads"
          data-testid="results-csv">${icon("download")}<span>CSV</span></a>
        <a class="button" href="${addresses.comparison(comparison.id)}" download="${comparison.id}.json"
          title="The comparison with its verdict" data-testid="comparison-json">${icon("download")}<span>JSON</span></a></div>
    </div>
    ${deletedRuns(comparison.deleted)}
    <ul class="callouts">${(comparison.warnings ?? []).map(
      (text) => html`<li class="callout callout--warning">${icon("warning")}<span>${text}</span></li>`,
    )}</ul>
    <section class="panel" aria-labelledby="verdict-title"><h2 id="verdict-title" class="section-title">Verdict</h2>
      <div data-ref="verdict" role="status"></div></section>
    <div data-ref="view"></div>
    <div data-ref="images"></div>
  </div>`;

/** "Baseline against stochastic depth", or the arms by their names; and how far a sequential plan has come. */
export function designOf({ arms, seeds, plan, is_open: isOpen, ended_reason: reason }) {
  const names = arms.map((arm) => armName(arm.name));
  const what =
    names.join() === "Baseline,Stochastic depth"
      ? "Baseline against stochastic depth"
      : `${names.slice(1).join(", ")} against ${names[0]}`;
  if (plan.stopping !== "sequential") return what;
  const most = plan.max_seeds ?? USUAL_MOST_SEEDS;
  const count = `${seeds.length} seed${seeds.length === 1 ? "" : "s"}`;
  if (!isOpen) return `${what} · ${count}. ${reason ?? ""}`;
  return seeds.length < most
    ? `${what} · ${seeds.length} of at most ${most} seeds, more until the plan is decided`
    : `${what} · ${count}, the most that the plan allows`;
}

/** A comparison: its pairs, their curves and, once a pair has finished, what it says. */
export async function comparisonPage(container, app) {
  const { runs, params } = app;
  document.title = "Comparison · ResDrop";
  try {
    const { comparison, first } = await fetched(params.id, app);
    runs.putAll(first.runs);
    build(container, app, comparison, first);
  } catch (error) {
    if (error.name === "AbortError") return;
    onceReachable(error, () => app.router.refresh(), app);
    fill(
      container,
      html`<div class="empty" data-testid="missing"><h1>This comparison cannot be shown</h1>
      <p>${error.message}</p><a class="button" href="${paths.compare()}">To the comparisons</a></div>`,
    );
  }
}

/** The comparison and its runs, both of one moment: a run may be deleted between the two questions, and after them. */
function fetched(id, { api, runs, signal }) {
  const ask = async () => {
    const comparison = await api.comparison(id, signal);
    const ids = comparison.runs.map((run) => run.id);
    if (!ids.length) throw new Error("All of its runs have been deleted.");
    runs.need(ids, signal);
    const first = await api.compare(ids, signal).catch((error) => {
      if (error.status !== 404) throw error;
      return { runs: [], missing: ids };
    });
    return { comparison, first };
  };
  const isGone = (run) => runs.wasDeleted(run.id);
  return upToDate(ask, ({ first }) => first.missing.length || first.runs.some(isGone));
}

function build(container, app, comparison, first) {
  const { runs, signal } = app;
  const root = element(page(comparison));
  const places = refs(root);
  const ids = comparison.runs.map((run) => run.id);
  document.title = `${comparison.name} · ResDrop`;
  places.view.append(createCompareView(first, app, { isRemovable: false }).node);
  container.append(root);

  const members = () => ids.map((id) => runs.get(id)).filter(Boolean);
  const allowed = (action) => members().filter((run) => allows(run, action));
  places.actions.addEventListener("click", (event) => {
    const action = event.target.closest("[data-action]")?.dataset.action;
    if (action) actOnMany(app, members(), action);
  });
  const showActions = () => {
    for (const button of places.actions.children) button.hidden = !allowed(button.dataset.action).length;
  };
  keepVerdict({ node: places.verdict, comparison, app });
  keepImages({ node: places.images, comparison, app });
  runs.addEventListener(
    "changed",
    ({ detail }) => (ids.includes(detail.id) && runs.wasDeleted(detail.id) ? app.router.refresh() : showActions()),
    { signal },
  );
  showActions();
}

/** The stream sends the comparison with its verdict whenever one of its runs changes. */
function keepVerdict({ node, comparison, app }) {
  let shown = null;
  const show = (answer) => {
    // Images have a place of their own, and only some answers tell of them.
    const { headline, verdict: found, plan_sentence: plan, deviations, seeds } = answer;
    const text = JSON.stringify([headline, found, plan, deviations, seeds], (key, value) =>
      key.startsWith("images") ? undefined : value,
    );
    if (text !== shown) fill(node, verdict(answer, answer.seeds.length));
    shown = text;
  };
  const refresh = async () => {
    const answer = await app.api.comparison(comparison.id, app.signal).catch(() => null);
    if (answer) show(answer);
  };
  const known = new Set(comparison.runs.map((run) => run.id));
  const take = (answer) => {
    if (answer.id !== comparison.id) return;
    // A sequential plan launches further seeds, whose curves belong on the page.
    if (answer.runs.some((run) => !known.has(run.id))) app.router.refresh();
    else show(answer);
  };
  app.live.addEventListener("comparison", ({ detail }) => take(detail.data), { signal: app.signal });
  app.live.addEventListener("reset", refresh, { signal: app.signal });
  show(comparison);
}

/** The stream's comparisons do not tell of images, which are asked for again when other seeds count. */
function keepImages({ node, comparison, app }) {
  let shown = null;
  const show = ({ verdict: found }) => {
    shown = found?.seeds.join();
    fill(node, images(found));
  };
  const refresh = async () => {
    const answer = await app.api.comparison(comparison.id, app.signal).catch(() => null);
    if (answer) show(answer);
  };
  const take = ({ detail: { data } }) => data.id === comparison.id && data.verdict?.seeds.join() !== shown && refresh();
  app.live.addEventListener("comparison", take, { signal: app.signal });
  app.live.addEventListener("reset", refresh, { signal: app.signal });
  show(comparison);
}
