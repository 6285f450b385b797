import { element, fill, html, refs } from "../html.js";
import { distinctLines, sharedLines } from "../palette.js";
import { labelsOf } from "../run-names.js";
import { throttled } from "../throttle.js";
import { createCompareCharts } from "./compare-charts.js";
import { differencesTable, resultsTable } from "./compare-tables.js";
import { createCurvesSection } from "./curves-section.js";
import { createRunLegend } from "./run-legend.js";

const RESULTS_EVERY_MS = 1000;

const view = () => html`
  <div class="compare">
    <div data-ref="legend"></div>
    <section class="panel" aria-labelledby="results-title"><h2 id="results-title" class="section-title">Results</h2>
      <div data-ref="results"><p class="hint">Loading</p></div></section>
    <p class="hint" data-testid="shared-lines" data-ref="shared"></p>
    <div data-ref="curves"></div>
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
  const drawn = () => members().filter(({ run }) => !hidden.has(run.id));
  const legend = createRunLegend(members(), { isRemovable });
  const createCharts = (given) => createCompareCharts({ ...given, members: drawn });
  const curves = createCurvesSection({ ids, current, createCharts }, app);
  places.legend.append(legend.node);
  places.shared.textContent = sharedLines(ids.length);
  places.shared.hidden = !places.shared.textContent;
  places.curves.append(curves.node);

  const updateLegend = () => legend.update(members(), hidden);
  legend.node.addEventListener("removed", ({ detail }) => node.dispatchEvent(new CustomEvent("removed", { detail })));
  legend.node.addEventListener("toggled", ({ detail }) => {
    if (!hidden.delete(detail.id)) hidden.add(detail.id);
    router.setQuery({ hide: [...hidden].join(",") });
    updateLegend();
    curves.draw();
  });
  const refreshTables = keepTables({ places, ids, lines, app, first });
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

/** The tables are computed by the service; the returned function asks for them again, at most every few seconds. */
function keepTables({ places, ids, lines, app, first }) {
  let shown = "";
  const show = (answer) => {
    const text = JSON.stringify([answer.results, answer.differences]);
    if (text === shown) return;
    shown = text;
    fill(places.results, resultsTable(answer, lines));
    fill(places.differences, differencesTable(answer, lines));
  };
  show(first);
  const refresh = async () => {
    const answer = await app.api.compare(ids, app.signal).catch(() => null);
    if (answer) show(answer);
  };
  return throttled(refresh, RESULTS_EVERY_MS, app.signal);
}
