import { newKey } from "../api.js";
import { element, html, refs, setText } from "../html.js";
import { icon } from "../icons.js";
import { paths } from "../router.js";
import { DEFAULT_SORT, isSort, select, sorted } from "../run-list.js";
import { STATUSES, allows } from "../status.js";
import { throttled } from "../throttle.js";
import { createBulkBar } from "./bulk-bar.js";
import { actOn, actOnMany, launchDemo } from "./run-actions.js";
import { createRunsTable } from "./runs-table.js";

const ROWS_AT_FIRST = 100;
const REDRAW_MS = 150;

/** For narrow windows, where the table has no head to click. */
const SORTS = [
  ["-created_at", "Newest first"],
  ["created_at", "Oldest first"],
  ["-best", "Best top-1 first"],
  ["name", "By name"],
  ["status", "By status"],
  ["-progress", "Furthest first"],
];

const page = () => html`
  <div class="page page--wide">
    <div class="page__head">
      <div><h1>Runs</h1><p class="page__sub" data-ref="summary" aria-live="off"></p></div>
      <a class="button button--primary" href="${paths.new}" data-testid="new-run"
        >${icon("plus")}<span>New run</span></a>
    </div>
    <div class="toolbar" data-ref="toolbar">
      <label class="search"><span class="visually-hidden">Search runs</span>${icon("search")}
        <input type="search" placeholder="Search name, tag, dataset, depth" data-ref="search" data-testid="search"
          autocomplete="off" spellcheck="false"></label>
      <label class="select"><span class="visually-hidden">Status</span>
        <select data-ref="status" data-testid="status-filter"><option value="">All statuses</option>
          ${STATUSES.map((status) => html`<option value="${status}">${status}</option>`)}</select></label>
      <label class="select select--narrow"><span class="visually-hidden">Sort by</span>
        <select data-ref="sort" data-testid="sort">${SORTS.map(
          ([sort, label]) => html`
          <option value="${sort}">${label}</option>`,
        )}</select></label>
    </div>
    <div data-ref="table"></div>
    <p class="table-note" data-ref="note" role="status"></p>
    <button type="button" class="button" data-ref="more" hidden>Show more</button>
  </div>`;

const empty = () => html`
  <div class="empty" data-testid="empty">
    <div class="empty__art" aria-hidden="true"><i></i><i></i><i></i><i></i><i></i></div>
    <h2>Nothing has been trained yet</h2>
    <p>The demo trains ResNet-20 on handwritten digits twice from the same weights: once plain, once with stochastic
      depth. No download; the first curves appear within seconds.</p>
    <div class="button-row"><button type="button" class="button button--primary" data-ref="demo"
      data-testid="launch-demo">${icon("resume")}<span>Launch the demo comparison</span></button>
      <a class="button" href="${paths.new}">Set up a run</a></div>
  </div>`;

function viewOf(query) {
  const sort = query.get("sort") ?? DEFAULT_SORT;
  return {
    q: query.get("q") ?? "",
    status: query.get("status") ?? "",
    sort: isSort(sort) ? sort : DEFAULT_SORT,
    selected: new Set((query.get("sel") ?? "").split(",").filter(Boolean)),
    rows: ROWS_AT_FIRST,
  };
}

/** All runs: search, sort, select, act. */
export function runsPage(container, app) {
  const { runs, router, signal } = app;
  const root = element(page());
  const places = refs(root);
  const table = createRunsTable();
  const bulk = createBulkBar();
  const blank = element(empty());
  const view = viewOf(app.query);
  document.title = "Runs · ResDrop";
  places.table.append(table.node, blank);
  root.append(bulk.node);
  container.append(root);
  places.search.value = view.q;
  places.status.value = view.status;

  const draw = () => render({ app, places, table, bulk, blank, view });
  const redraw = throttled(draw, REDRAW_MS, signal);
  const change = (changes) => {
    Object.assign(view, changes);
    const sort = view.sort === DEFAULT_SORT ? null : view.sort;
    router.setQuery({ q: view.q, status: view.status, sort, sel: [...view.selected].join(",") });
    draw();
  };

  places.search.addEventListener("input", () => {
    change({ q: places.search.value.trim(), rows: ROWS_AT_FIRST });
    searchBeyond(app, view);
  });
  places.status.addEventListener("change", () => change({ status: places.status.value, rows: ROWS_AT_FIRST }));
  places.sort.addEventListener("change", () => change({ sort: places.sort.value }));
  places.more.addEventListener("click", () => change({ rows: view.rows + ROWS_AT_FIRST }));
  bindDemo(blank, app);
  table.node.addEventListener("sorted", ({ detail }) => change({ sort: detail.sort }));
  table.node.addEventListener("selected", ({ detail }) => {
    detail.ids.forEach((id) => (detail.isSelected ? view.selected.add(id) : view.selected.delete(id)));
    change({});
  });
  table.node.addEventListener("asked", ({ detail }) => actOn(app, runs.get(detail.id), detail.action));
  bulk.node.addEventListener("asked", ({ detail }) => actOnSelected(app, view, detail.action, change));
  runs.addEventListener("changed", redraw, { signal });
  const ages = setInterval(table.tick, 20_000);
  signal.addEventListener("abort", () => clearInterval(ages));
  draw();
}

function render({ app, places, table, bulk, blank, view }) {
  const { runs } = app;
  const all = runs.all();
  const found = sorted(select(all, view), view.sort);
  const isEmpty = runs.isLoaded && all.length === 0;
  table.node.hidden = isEmpty || !found.length;
  blank.hidden = !isEmpty;
  places.toolbar.hidden = isEmpty;
  table.show(found.slice(0, view.rows), view);
  places.sort.value = view.sort;
  bulk.show(all.filter((run) => view.selected.has(run.id)));
  setText(places.summary, summary(runs, all));
  setText(places.note, noteOf({ runs, all, found }));
  places.more.hidden = found.length <= view.rows;
}

function summary(runs, all) {
  if (!runs.isLoaded) return "Loading";
  const count = (status) => all.filter((run) => run.status === status).length;
  const parts = [
    ["running", count("running")],
    ["queued", count("queued")],
    ["paused", count("paused")],
  ]
    .filter(([, number]) => number)
    .map(([status, number]) => `${number} ${status}`);
  return [`${all.length}${runs.isComplete ? "" : "+"} run${all.length === 1 ? "" : "s"}`, ...parts].join(" · ");
}

function noteOf({ runs, all, found }) {
  if (!runs.isLoaded || !all.length) return "";
  if (!found.length) return "No run matches. Clear the search or the filter to see them all.";
  return runs.isComplete ? "" : "The newest 1,000 runs are listed; a search looks through all of them.";
}

/** Where the page holds only the newest runs, the service is asked for what matches among the rest. */
function searchBeyond({ api, runs, toasts }, view) {
  clearTimeout(view.searching);
  if (runs.isComplete || !view.q) return;
  view.searching = setTimeout(async () => {
    try {
      runs.putAll((await api.runs({ q: view.q, limit: 100 })).items);
    } catch (error) {
      toasts.error(error);
    }
  }, 300);
}

function actOnSelected(app, view, action, change) {
  const chosen = [...view.selected].map((id) => app.runs.get(id)).filter(Boolean);
  const idsOf = (some) => some.map((run) => run.id);
  if (action === "clear") change({ selected: new Set() });
  else if (action === "compare") app.router.go(paths.compare(idsOf(chosen)));
  else actOnMany(app, idsOf(chosen.filter((run) => allows(run, action))), action);
}

function bindDemo(blank, app) {
  const { demo } = refs(blank);
  const key = newKey();
  demo.addEventListener("click", async () => {
    if (demo.getAttribute("aria-busy") === "true") return;
    demo.setAttribute("aria-busy", "true");
    await launchDemo(app, key);
    demo.removeAttribute("aria-busy");
  });
}
