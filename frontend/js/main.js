import { addresses, api } from "./api.js";
import { fill, html } from "./html.js";
import { Live } from "./live.js";
import { placeIn, returnTo } from "./place.js";
import { Plots } from "./plot.js";
import { Router, paths } from "./router.js";
import { loadRuns } from "./snapshot.js";
import { RunStore } from "./store.js";
import { followSystemTheme } from "./theme.js";
import { comparePage } from "./components/compare-page.js";
import { comparisonPage } from "./components/comparison-page.js";
import { newPage } from "./components/new-page.js";
import { runPage } from "./components/run-page.js";
import { runsPage } from "./components/runs-page.js";
import { createShell } from "./components/shell.js";
import { Toasts } from "./components/toasts.js";

// Workers are told of by the stream; that one has fallen silent, only by asking.
const CAPACITY_EVERY_MS = 15_000;

function connectStore(live, runs) {
  live.addEventListener("run", ({ detail }) => runs.put(detail.data));
  live.addEventListener("deleted", ({ detail }) => runs.remove(detail.data.run_id));
}

/** Keeps the line of workers and devices, and of a part of the service that is away. */
function watchCapacity(shell, live) {
  let health = null;
  let workers = null;
  const show = (next) => {
    ({ health, workers } = { health, workers, ...next });
    if (workers) shell.showCapacity({ health, workers });
  };
  const ask = async () => {
    if (document.hidden) return;
    try {
      const [state, list] = await Promise.all([api.health(), api.workers()]);
      show({ health: state, workers: list.items });
    } catch {
      // The banner tells of a lost connection; the next time mends this line.
    }
  };
  setInterval(ask, CAPACITY_EVERY_MS);
  live.addEventListener("workers", ({ detail }) => show({ workers: detail.data.items }));
  document.addEventListener("visibilitychange", ask);
  ask();
}

function missingPage(container) {
  fill(
    container,
    html`<div class="empty"><h1 tabindex="-1">There is no such page</h1>
    <p>The address may be mistyped.</p><a class="button button--primary" href="${paths.runs}">To the runs</a></div>`,
  );
}

const PAGES = { runs: runsPage, new: newPage, run: runPage, compare: comparePage, comparison: comparisonPage };

/** Shows the page of the address, and takes down the one before through its AbortSignal. */
function connectPages(app, shell) {
  let leaving = new AbortController();
  let isFirst = true;
  app.router.addEventListener("navigated", () => {
    leaving.abort();
    leaving = new AbortController();
    const { page, params, query } = app.router.route;
    shell.markPage(page);
    document.title = "ResDrop";
    shell.content.replaceChildren();
    const show = PAGES[page] ?? missingPage;
    show(shell.content, { ...app, params, query, signal: leaving.signal });
    if (app.router.place) returnTo(app.router.place, shell.content, leaving.signal);
    if (!isFirst) shell.content.focus({ preventScroll: true });
    isFirst = false;
  });
}

function start() {
  const runs = new RunStore();
  const live = new Live({ url: addresses.live, snapshot: () => loadRuns({ api, runs }) });
  const plots = new Plots();
  const shell = createShell(document.getElementById("app"), { live });
  const router = new Router({ look: () => placeIn(shell.content) });
  const app = { api, addresses, runs, live, plots, router, toasts: new Toasts(shell.toasts) };
  connectStore(live, runs);
  connectPages(app, shell);
  followSystemTheme();
  live.start();
  router.start();
  watchCapacity(shell, live);
}

start();
