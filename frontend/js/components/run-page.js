import { element, fill, html, refs } from "../html.js";
import { liveCurves } from "../curve-loader.js";
import { paths } from "../router.js";
import { chartView, createChartControls } from "./chart-controls.js";
import { configTable } from "./config-table.js";
import { createDataAge } from "./data-age.js";
import { editRun } from "./edit-dialog.js";
import { createLogTail } from "./log-tail.js";
import { actOn } from "./run-actions.js";
import { createRunCharts } from "./run-charts.js";
import { createRunHeader } from "./run-header.js";
import { checkpoints, history } from "./run-records.js";

const page = () => html`
  <div class="page page--wide run-page">
    <div data-ref="head"></div>
    <section aria-labelledby="curves-title"><h2 id="curves-title" class="visually-hidden">Curves</h2>
      <div class="chart-bar" data-ref="bar"></div>
      <p class="hint" role="status" data-ref="rewound"></p>
      <div data-ref="charts"></div>
    </section>
    <div class="columns">
      <section class="panel" aria-labelledby="config-title"><h2 id="config-title" class="section-title">Configuration</h2>
        <div data-ref="config"></div></section>
      <div class="stack">
        <section class="panel" aria-labelledby="history-title"><h2 id="history-title" class="section-title">History</h2>
          <div data-ref="history"></div></section>
        <section class="panel" aria-labelledby="checkpoints-title">
          <h2 id="checkpoints-title" class="section-title">Checkpoints</h2><div data-ref="checkpoints"></div></section>
      </div>
    </div>
    <section class="panel" aria-labelledby="log-title"><h2 id="log-title" class="section-title">Log</h2>
      <div data-ref="log"></div></section>
  </div>`;

/** One run: its head, curves, configuration, history, checkpoints and log. */
export async function runPage(container, app) {
  const { api, runs, params, signal } = app;
  document.title = "Run · ResDrop";
  try {
    runs.put(await api.run(params.id, signal));
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!runs.get(params.id) || error.status === 404) return showMissing(container, error, app);
  }
  if (!signal.aborted) build(container, app, params.id);
}

/** A run that cannot be shown; where the service was only away, coming back shows it. */
function showMissing(container, error, { live, router, signal }) {
  fill(container, html`<div class="empty" data-testid="missing"><h1>This run cannot be shown</h1><p>${error.message}</p>
    <a class="button" href="${paths.runs}">To the runs</a></div>`);
  if (error.status === 404) return;
  live.addEventListener("state", () => live.state === "live" && router.go(location.pathname + location.search),
    { signal, once: true });
}

function build(container, app, id) {
  const { runs, live, signal } = app;
  const root = element(page());
  const places = refs(root);
  const view = chartView(app.query);
  const curves = liveCurves([id], app, view.axis);
  const store = curves.stores.get(id);
  const head = createRunHeader(runs.get(id));
  const controls = createChartControls(view, app);
  const charts = createRunCharts({ store, view, app });
  const age = createDataAge({
    live, signal, current: () => ({ run: runs.get(id), at: store.newest?.at ?? runs.get(id)?.last_point_at }),
  });
  places.head.append(head.node);
  places.bar.append(controls.node, age.node);
  places.charts.append(charts.node);
  places.log.append(createLogTail({ ...app, runId: id }).node);
  container.append(root);
  const config = createConfig(places.config, app);
  const records = createRecords(places, app, id);

  const update = () => {
    const run = runs.get(id);
    if (!run) return leave(app, id);
    document.title = `${run.name} · ResDrop`;
    head.update(run);
    records.update(run);
    config.update(run);
    return age.show();
  };
  head.node.addEventListener("asked", ({ detail }) => {
    if (detail.action === "edit") editRun(runs.get(id), app);
    else actOn(app, runs.get(id), detail.action);
  });
  controls.node.addEventListener("changed", ({ detail }) => (detail.axisChanged ? curves.setAxis(view.axis) : charts.draw()));
  store.addEventListener("changed", () => {
    charts.draw();
    showRewound(places.rewound, store);
  });
  runs.addEventListener("changed", ({ detail }) => (!detail.id || detail.id === id) && update(), { signal });
  update();
  charts.draw();
}

/** The run is no longer held: it was deleted, or the snapshot doesn't reach back to it. */
async function leave({ api, runs, router, toasts, signal }, id) {
  if (!runs.wasDeleted(id)) {
    const run = await api.run(id, signal).catch(() => null);
    if (run) return runs.put(run);
  }
  if (signal.aborted) return undefined;
  toasts.info("The run was deleted.");
  return router.go(paths.runs);
}

function showRewound(node, store) {
  if (store.rewoundTo === null || node.textContent) return;
  fill(node, html`The curve was rewound to step ${store.rewoundTo}: training went on from a checkpoint there.`);
}

/** The configuration never changes; the machine that trains it may. */
function createConfig(node, { api, toasts, signal }) {
  const schema = api.schema(signal);
  schema.catch((error) => toasts.error(error));
  let known = null;
  return {
    async update(run) {
      const now = JSON.stringify([run.worker, run.device, run.threads, run.versions]);
      if (now === known) return;
      known = now;
      const answer = await schema.catch(() => null);
      if (answer && now === known) fill(node, configTable(answer, run));
    },
  };
}

/** History and checkpoints: fetched again when the run has come to where they may differ. */
function createRecords(places, { api, signal }, id) {
  let known = null;
  const fetchAll = async () => {
    const [events, saved] = await Promise.all([api.events(id, signal), api.checkpoints(id, signal)]);
    fill(places.history, history(events.items));
    fill(places.checkpoints, checkpoints(id, saved.items));
  };
  return {
    update(run) {
      const { status, attempt, resumable, progress } = run;
      const now = JSON.stringify([status, run.stored_status, attempt, resumable, Math.floor(progress.epoch)]);
      if (now !== known) fetchAll().catch(() => (known = null));
      known = now;
    },
  };
}
