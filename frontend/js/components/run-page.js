import { element, fill, html, refs } from "../html.js";
import { paths } from "../router.js";
import { createCurvesSection } from "./curves-section.js";
import { editRun } from "./edit-dialog.js";
import { createLogTail } from "./log-tail.js";
import { actOn } from "./run-actions.js";
import { createRunCharts } from "./run-charts.js";
import { createConfig, createRecords } from "./run-details.js";
import { createRunHeader } from "./run-header.js";

const page = () => html`
  <div class="page page--wide run-page">
    <div data-ref="head"></div>
    <div data-ref="curves"></div>
    <div class="columns">
      <section class="panel" aria-labelledby="config-title">
        <h2 id="config-title" class="section-title">Configuration</h2><div data-ref="config"></div></section>
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
  runs.need([params.id], signal);
  try {
    runs.put(await api.run(params.id, signal));
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    if (!runs.get(params.id) || error.status === 404) return showMissing(container, error, app);
  }
  if (signal.aborted) return undefined;
  // The stream may have told of its deletion while the answer was under way.
  return runs.get(params.id) ? build(container, app, params.id) : leave(app, params.id);
}

/** A run that cannot be shown; where the service was only away, coming back shows it. */
function showMissing(container, error, { live, router, signal }) {
  fill(
    container,
    html`<div class="empty" data-testid="missing"><h1>This run cannot be shown</h1><p>${error.message}</p>
    <a class="button" href="${paths.runs}" data-to-list>To the runs</a></div>`,
  );
  if (error.status === 404) return;
  live.addEventListener("state", () => live.state === "live" && router.refresh(), { signal });
}

function build(container, app, id) {
  const { runs, signal } = app;
  const root = element(page());
  const places = refs(root);
  const head = createRunHeader(runs.get(id));
  const curves = createCurvesSection(
    {
      ids: [id],
      current: () => [runs.get(id)].filter(Boolean),
      createCharts: ({ stores, view }) => createRunCharts({ store: stores.get(id), view, app }),
    },
    app,
  );
  const parts = [head, createConfig(places.config, app), createRecords(places, app, id)];
  places.head.append(head.node);
  places.curves.append(curves.node);
  places.log.append(createLogTail({ ...app, runId: id }).node);
  container.append(root);

  const update = () => {
    const run = runs.get(id);
    if (!run) return leave(app, id);
    document.title = `${run.name} · ResDrop`;
    parts.forEach((part) => part.update(run));
    return curves.showAge();
  };
  head.node.addEventListener("asked", ({ detail }) => {
    if (detail.action === "edit") editRun(runs.get(id), app);
    else actOn(app, runs.get(id), detail.action);
  });
  runs.addEventListener("changed", ({ detail }) => (!detail.id || detail.id === id) && update(), { signal });
  update();
}

/** The run is no longer held: it was deleted, or the snapshot doesn't reach back to it. */
async function leave({ api, runs, router, toasts, signal }, id) {
  if (!runs.wasDeleted(id)) {
    const run = await api.run(id, signal).catch(() => null);
    if (run) return runs.put(run);
  }
  if (signal.aborted) return undefined;
  toasts.info("The run was deleted.");
  return router.goToList();
}
