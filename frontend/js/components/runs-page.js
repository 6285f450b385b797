import { newKey } from "../api.js";
import { element, html, refs, setText } from "../html.js";
import { icon } from "../icons.js";
import { LONGEST_SEARCH, MOST_COMPARED, tooManyToCompare } from "../limits.js";
import { paths } from "../router.js";
import { DEFAULT_SORT, isSort } from "../run-list.js";
import { RunListing } from "../run-listing.js";
import { STATUSES } from "../status.js";
import { throttled } from "../throttle.js";
import { createBulkBar } from "./bulk-bar.js";
import { actOn, actOnMany, launchDemo } from "./run-actions.js";
import { createRunsTable } from "./runs-table.js";

const ROWS_AT_FIRST = 100;
const REDRAW_MS = 150;
// More would make an address that servers refuse; the rest is kept with the place in the history.
const SELECTED_IN_ADDRESS = 100;

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
        <input type="search" placeholder="Search names, tags, notes or an id" data-ref="search" data-testid="search"
          maxlength="${LONGEST_SEARCH}" autocomplete="off" spellcheck="false"></label>
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
    <p class="table-note" data-ref="note" role="status" data-testid="list-note"></p>
    <button type="button" class="button" data-ref="more" data-testid="show-more" hidden>Show more</button>
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

/** What the address and, where the user comes back, the place in the history ask for. */
function viewOf({ query, router }) {
  const sort = query.get("sort") ?? DEFAULT_SORT;
  const { rows = ROWS_AT_FIRST, selected = (query.get("sel") ?? "").split(",").filter(Boolean) } = router.place ?? {};
  return {
    q: query.get("q") ?? "",
    status: query.get("status") ?? "",
    sort: isSort(sort) ? sort : DEFAULT_SORT,
    selected: new Set(selected),
    rows,
  };
}

/** All runs: search, filter, sort, select, act. */
export function runsPage(container, app) {
  const { runs, router, signal } = app;
  const root = element(page());
  const places = refs(root);
  const table = createRunsTable();
  const bulk = createBulkBar();
  const blank = element(empty());
  const view = viewOf(app);
  const listing = new RunListing(app);
  document.title = "Runs · ResDrop";
  places.table.append(table.node, blank);
  root.append(bulk.node);
  container.append(root);
  places.search.value = view.q;
  places.status.value = view.status;

  const draw = () => render({ app, places, table, bulk, blank, view, listing });
  const redraw = throttled(draw, REDRAW_MS, signal);
  const change = (changes, { isTyped = false } = {}) => {
    Object.assign(view, changes);
    keep(router, view);
    listing.show(view, { isTyped });
    draw();
  };

  places.search.addEventListener("input", () =>
    change({ q: places.search.value.trim(), rows: ROWS_AT_FIRST }, { isTyped: true }),
  );
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
  bulk.node.addEventListener("asked", ({ detail }) => {
    if (detail.action === "clear") change({ selected: new Set() });
    else actOnSelected(app, { view, table }, detail.action);
  });
  runs.addEventListener("changed", redraw, { signal });
  listing.addEventListener("changed", draw, { signal });
  settleSelection(app, view, () => change({}));
  const ages = setInterval(table.tick, 20_000);
  signal.addEventListener("abort", () => clearInterval(ages));
  listing.show(view);
  draw();
}

/** The address and the place in the history follow the view. */
function keep(router, view) {
  const selected = [...view.selected];
  router.setQuery({
    q: view.q,
    status: view.status,
    sort: view.sort === DEFAULT_SORT ? null : view.sort,
    sel: selected.length <= SELECTED_IN_ADDRESS ? selected.join(",") : null,
  });
  router.keep({ rows: view.rows, selected });
}

/** Runs that an address selects may be older than those that are held, or gone. */
function settleSelection({ api, runs, signal }, view, redraw) {
  const settled = new AbortController();
  signal.addEventListener("abort", () => settled.abort());
  const settle = async () => {
    if (!runs.isLoaded) return;
    settled.abort();
    const unknown = [...view.selected].filter((id) => !runs.get(id));
    if (!unknown.length) return;
    const found = runs.isComplete ? { runs: [], missing: unknown } : await api.runsOf(unknown, signal).catch(() => null);
    if (!found || signal.aborted) return;
    runs.putAll(found.runs);
    found.missing.forEach((id) => view.selected.delete(id));
    redraw();
  };
  runs.addEventListener("changed", settle, { signal: settled.signal });
  settle();
}

function render({ app, places, table, bulk, blank, view, listing }) {
  const { runs } = app;
  const { shown, hasMore, isReady, error } = listing.found;
  const isEmpty = runs.isLoaded && runs.all().length === 0;
  for (const id of view.selected) if (runs.wasDeleted(id)) view.selected.delete(id);
  table.node.hidden = isEmpty || !shown.length;
  blank.hidden = !isEmpty;
  places.toolbar.hidden = isEmpty;
  table.show(shown, view);
  places.sort.value = view.sort;
  const inView = shown.filter((run) => view.selected.has(run.id));
  const held = [...view.selected].filter((id) => runs.get(id));
  bulk.show(inView, held.length - inView.length);
  setText(places.summary, summary(runs));
  setText(places.note, isEmpty ? "" : noteOf({ isReady, error, shown }));
  places.more.hidden = !hasMore;
}

function summary(runs) {
  if (!runs.isLoaded) return "Loading";
  const all = runs.all();
  const count = (status) => all.filter((run) => run.status === status).length;
  const parts = [
    ["running", count("running")],
    ["queued", count("queued")],
    ["paused", count("paused")],
  ]
    .filter(([, number]) => number)
    .map(([status, number]) => `${number} ${status}`);
  const total = runs.isComplete ? `${all.length} run${all.length === 1 ? "" : "s"}` : "More than 1,000 runs";
  return [total, ...parts].join(" · ");
}

function noteOf({ isReady, error, shown }) {
  if (!isReady) return "Looking";
  if (error) return `The list ${shown.length ? "may be out of date" : "cannot be shown"}: ${error.message}`;
  return shown.length ? "" : "No run matches. Clear the search or the filter to see them all.";
}

/** Acts on what is selected and in view: what a filter hides, or no row shows yet, is nobody's intention. */
function actOnSelected(app, { view, table }, action) {
  const { runs, router, toasts } = app;
  const chosen = table.shown.filter((id) => view.selected.has(id)).map((id) => runs.get(id));
  const outOfView = [...view.selected].filter((id) => runs.get(id)).length - chosen.length;
  if (action !== "compare") {
    actOnMany(app, chosen, action, { outOfView });
  } else if (chosen.length > MOST_COMPARED) {
    toasts.error(new Error(tooManyToCompare(chosen.length)));
  } else {
    router.go(paths.compare(chosen.map((run) => run.id)));
  }
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
