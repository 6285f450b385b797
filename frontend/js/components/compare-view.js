import { childController } from "../abort.js";
import { armsOf, haveSameSeeds, unevenSeeds } from "../arm-lines.js";
import { AXES } from "../curves.js";
import { element, fill, html, refs, setText } from "../html.js";
import { distinctLines, sharedLines } from "../palette.js";
import { labelsOf } from "../run-names.js";
import { throttled } from "../throttle.js";
import { createCompareCharts } from "./compare-charts.js";
import { differencesTable, resultsTable } from "./compare-tables.js";
import { createCurvesSection } from "./curves-section.js";
import { createRunLegend } from "./run-legend.js";

const RESULTS_EVERY_MS = 1000;

const LINES = { arms: "Arms", runs: "Single runs" };

const choice = (kind) => html`
  <div class="segmented" role="radiogroup" aria-label="Lines">${Object.entries(LINES).map(
    ([name, label]) => html`<label><input type="radio" name="lines" value="${name}" data-testid="lines-${name}"
      ${name === kind ? "checked" : ""}><span>${label}</span></label>`,
  )}</div>`;

const view = () => html`
  <div class="compare">
    <div data-ref="lines" hidden></div>
    <p class="hint" data-ref="uneven" data-testid="uneven-seeds" role="status" hidden></p>
    <div class="compare__curves" data-ref="curves"></div>
    <details class="singles" data-ref="singles" data-testid="single-runs"><summary data-ref="summary"></summary>
      <div class="singles__body">
        <div data-ref="legend"></div>
        <section class="panel" aria-labelledby="results-title"><h2 id="results-title" class="section-title">Results</h2>
          <div data-ref="results"><p class="hint">Loading</p></div></section>
        <p class="hint" data-testid="shared-lines" data-ref="shared"></p>
      </div></details>
    <section class="panel" aria-labelledby="differences-title">
      <h2 id="differences-title" class="section-title">Settings that differ</h2>
      <div data-ref="differences"></div></section>
  </div>`;

const hiddenOf = (query) => new Set((query.get("hide") ?? "").split(",").filter(Boolean));

/**
 * Runs laid over one another: legend, results, curves, differing settings. `first` is the answer of `GET /compare`.
 * `node` emits "removed" {id} when the user takes a run out.
 */
export function createCompareView(first, app, { isRemovable }) {
  const { runs, router, signal } = app;
  const node = element(view());
  const places = refs(node);
  const ids = first.runs.map((run) => run.id);
  const lines = distinctLines(first.runs);
  const hidden = hiddenOf(new URLSearchParams(location.search));
  const current = () => ids.map((id) => runs.get(id)).filter(Boolean);
  let labels = labelsOf(current());
  const members = () => current().map((run) => ({ run, line: lines.get(run.id), label: labels.get(run.id) }));
  // Before whoever shows them hears of the change.
  runs.addEventListener("changed", () => (labels = labelsOf(current())), { signal });
  const legend = createRunLegend(members(), { isRemovable });
  places.legend.append(legend.node);
  places.shared.textContent = sharedLines(ids.length);
  places.shared.hidden = !places.shared.textContent;

  const arms = armsIn(first.runs, { isRemovable });
  let kind = arms && new URLSearchParams(location.search).get("lines") !== "runs" ? "arms" : "runs";
  const ofRuns = () => members().map(({ run, ...rest }) => ({ runs: [run], ...rest }));
  const ofArms = () =>
    arms.map(({ arm, ...rest }) => ({ runs: current().filter((run) => run.arm === arm), ...rest }));
  const drawn = () =>
    (kind === "arms" ? ofArms() : ofRuns())
      .map((line) => ({ ...line, runs: line.runs.filter((run) => !hidden.has(run.id)) }))
      .filter((line) => line.runs.length);
  let part = childController(signal);
  let curves = null;
  const showCurves = () => {
    part.abort();
    part = childController(signal);
    const createCharts = (given) => createCompareCharts({ ...given, members: drawn, isByArm: kind === "arms" });
    const axes = Object.keys(AXES);
    curves = createCurvesSection({ ids, current, createCharts, axes }, { ...app, signal: part.signal });
    places.curves.replaceChildren(curves.node);
    node.dataset.lines = kind;
    // Single runs are told apart by their cards, which so stand before the curves; arms have names in each legend.
    places.singles.open = kind === "runs";
    if (kind === "runs") places.curves.before(places.singles);
    else places.curves.after(places.singles);
  };
  showCurves();
  if (arms) {
    places.lines.hidden = false;
    places.lines.append(element(choice(kind)));
    setText(places.summary, `Single runs (${ids.length})`);
    places.lines.addEventListener("change", (event) => {
      kind = event.target.value;
      router.setQuery({ lines: kind === "arms" ? null : kind });
      showCurves();
      updateLegend();
    });
  }

  const updateLegend = () => {
    legend.update(members(), hidden);
    setText(places.uneven, arms && kind === "arms" ? unevenSeeds(current(), arms) : "");
    places.uneven.hidden = !places.uneven.textContent;
  };
  legend.node.addEventListener("removed", ({ detail }) => node.dispatchEvent(new CustomEvent("removed", { detail })));
  legend.node.addEventListener("toggled", ({ detail }) => {
    if (!hidden.delete(detail.id)) hidden.add(detail.id);
    router.setQuery({ hide: [...hidden].join(",") });
    updateLegend();
    curves.draw();
  });
  const refreshTables = keepTables({ places, ids, lines, arms, app, first });
  runs.addEventListener(
    "changed",
    ({ detail }) => {
      if (detail.id && !ids.includes(detail.id)) return;
      updateLegend();
      refreshTables();
    },
    { signal },
  );
  updateLegend();
  return { node };
}

/** Of runs that somebody picked, arms are drawn only where they can be compared by their means. */
function armsIn(runs, { isRemovable }) {
  const arms = armsOf(runs);
  return arms && isRemovable && !haveSameSeeds(runs, arms) ? null : arms;
}

/** The tables are computed by the service; the returned function asks for them again, at most every few seconds. */
function keepTables({ places, ids, lines, arms, app, first }) {
  let shown = "";
  const show = (answer) => {
    const text = JSON.stringify([answer.results, answer.differences]);
    if (text === shown) return;
    shown = text;
    fill(places.results, resultsTable(answer, lines));
    fill(places.differences, differencesTable(answer, lines, arms));
  };
  show(first);
  const refresh = async () => {
    const answer = await app.api.compare(ids, app.signal).catch(() => null);
    if (answer) show(answer);
  };
  return throttled(refresh, RESULTS_EVERY_MS, app.signal);
}
