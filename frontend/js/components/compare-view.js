import { liveCurves } from "../curve-loader.js";
import { element, fill, html, refs } from "../html.js";
import { distinctColours } from "../palette.js";
import { throttled } from "../throttle.js";
import { chartView, createChartControls } from "./chart-controls.js";
import { createCompareCharts } from "./compare-charts.js";
import { differencesTable, resultsTable } from "./compare-tables.js";
import { createDataAge } from "./data-age.js";
import { createRunLegend } from "./run-legend.js";

const RESULTS_EVERY_MS = 3000;

const view = () => html`
  <div class="compare">
    <div data-ref="legend"></div>
    <section class="panel" aria-labelledby="results-title"><h2 id="results-title" class="section-title">Results</h2>
      <div data-ref="results"><p class="hint">Loading</p></div></section>
    <section aria-labelledby="curves-title"><h2 id="curves-title" class="visually-hidden">Curves</h2><div class="chart-bar" data-ref="bar"></div><div data-ref="charts"></div></section>
    <section class="panel" aria-labelledby="differences-title">
      <h2 id="differences-title" class="section-title">Settings that differ</h2><div data-ref="differences"></div></section>
  </div>`;

/**
 * Runs laid over one another: legend, results, curves, differing settings. `first` is the answer of `GET /compare`.
 * `node` emits "removed" {id} when the user takes a run out.
 */
export function createCompareView(first, app, { isRemovable }) {
  const { runs, router, signal } = app;
  const node = element(view());
  const places = refs(node);
  const ids = first.runs.map((run) => run.id);
  const current = () => ids.map((id) => runs.get(id)).filter(Boolean);
  const colours = distinctColours(first.runs);
  const hidden = new Set((new URLSearchParams(location.search).get("hide") ?? "").split(",").filter(Boolean));
  const chosen = chartView(new URLSearchParams(location.search));
  const curves = liveCurves(ids, app, chosen.axis);
  const legend = createRunLegend(first.runs.map((run) => ({ run, colour: colours.get(run.id) })), { isRemovable });
  const controls = createChartControls(chosen, app);
  const members = () => current().filter((run) => !hidden.has(run.id)).map((run) => ({ run, colour: colours.get(run.id) }));
  const charts = createCompareCharts({ members, stores: curves.stores, view: chosen, app });
  const age = createDataAge({ live: app.live, signal, current: () => newestOf(current(), curves.stores) });
  places.legend.append(legend.node);
  places.bar.append(controls.node, age.node);
  places.charts.append(charts.node);

  legend.node.addEventListener("removed", ({ detail }) => node.dispatchEvent(new CustomEvent("removed", { detail })));
  legend.node.addEventListener("toggled", ({ detail }) => {
    if (!hidden.delete(detail.id)) hidden.add(detail.id);
    router.setQuery({ hide: [...hidden].join(",") });
    legend.update(current(), hidden);
    charts.draw();
  });
  controls.node.addEventListener("changed", ({ detail }) => (detail.axisChanged ? curves.setAxis(chosen.axis) : charts.draw()));
  curves.stores.forEach((store) => store.addEventListener("changed", charts.draw));
  keepTables({ places, ids, colours, app, first });
  runs.addEventListener("changed", ({ detail }) => {
    if (!detail.id || ids.includes(detail.id)) legend.update(current(), hidden);
  }, { signal });
  legend.update(current(), hidden);
  charts.draw();
  return { node };
}

/** The age shown for several runs is that of the one heard of last. */
function newestOf(runs, stores) {
  const aged = runs.map((run) => ({ run, at: stores.get(run.id)?.newest?.at ?? run.last_point_at }));
  return aged.sort((one, other) => Date.parse(other.at ?? 0) - Date.parse(one.at ?? 0))[0] ?? { run: null, at: null };
}

/** The tables are computed by the service; they are asked for again while runs change, every few seconds. */
function keepTables({ places, ids, colours, app, first }) {
  let shown = "";
  const show = (answer) => {
    const text = JSON.stringify([answer.results, answer.differences]);
    if (text === shown) return;
    shown = text;
    fill(places.results, resultsTable(answer, colours));
    fill(places.differences, differencesTable(answer, colours));
  };
  const refresh = throttled(async () => {
    const answer = await app.api.compare(ids, app.signal).catch(() => null);
    if (answer) show(answer);
  }, RESULTS_EVERY_MS, app.signal);
  app.runs.addEventListener("changed", ({ detail }) => (!detail.id || ids.includes(detail.id)) && refresh(), { signal: app.signal });
  show(first);
}
