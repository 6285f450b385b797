import { childController } from "../abort.js";
import { onceReachable, upToDate } from "../again.js";
import { element, fill, html, refs } from "../html.js";
import { icon } from "../icons.js";
import { showComparisons } from "./comparison-list.js";
import { createCompareView } from "./compare-view.js";
import { pickRuns } from "./run-picker.js";

const page = () => html`
  <div class="page page--wide">
    <div class="page__head"><div><h1>Compare</h1><p class="page__sub">Curves of several runs over one another, what sets
      them apart, and what came of it.</p></div>
      <button type="button" class="button button--primary" data-ref="choose" data-testid="choose-runs"
        >${icon("plus")}<span>Choose runs</span></button></div>
    <div data-ref="body"></div>
  </div>`;

const idsOf = (query) => [...new Set((query.get("runs") ?? "").split(",").filter(Boolean))];

/** Any runs over one another; without any, the comparisons there are. */
export function comparePage(container, app) {
  const root = element(page());
  const places = refs(root);
  document.title = "Compare · ResDrop";
  container.append(root);
  let ids = idsOf(app.query);
  let part = childController(app.signal);

  const show = (next) => {
    ids = next;
    part.abort();
    part = childController(app.signal);
    app.router.setQuery({ runs: ids.join(",") });
    const child = { ...app, signal: part.signal };
    return ids.length ? showRuns(places.body, child, ids, show) : showComparisons(places.body, child);
  };
  places.choose.addEventListener("click", async () => {
    const chosen = await pickRuns(app, ids);
    if (chosen && !app.signal.aborted) show(chosen);
  });
  show(ids);
}

/** `show` shows other runs instead. */
async function showRuns(body, app, ids, show) {
  const { api, runs, signal } = app;
  runs.need(ids, signal);
  try {
    const isShown = (answer, id) => answer.runs.some((run) => run.id === id);
    const answer = await upToDate(
      () => api.compare(ids, signal),
      (came) => ids.some((id) => isShown(came, id) && runs.wasDeleted(id)),
    );
    runs.putAll(answer.runs);
    // Asked for again, it tells of a deleted one as of any that is missing.
    const isDeleted = ({ id }) => id && isShown(answer, id) && runs.wasDeleted(id);
    const view = createCompareView(answer, app, { isRemovable: true });
    view.node.addEventListener("removed", ({ detail }) => show(ids.filter((id) => id !== detail.id)));
    body.replaceChildren(...missingRuns(answer.missing, () => show(answer.runs.map((run) => run.id))), view.node);
    runs.addEventListener("changed", ({ detail }) => isDeleted(detail) && show(ids), { signal });
  } catch (error) {
    if (error.name === "AbortError") return;
    onceReachable(error, () => show(ids), app);
    const none = element(html`
      <div class="empty" data-testid="missing"><h2>These runs cannot be compared</h2><p>${error.message}</p></div>`);
    body.replaceChildren(none);
  }
}

const MOST_NAMED = 10;

/** Says which of the runs that an address names are not there; nothing where none is missing. */
function missingRuns(ids, leaveOut) {
  if (!ids.length) return [];
  const more = ids.length > MOST_NAMED ? ` and ${ids.length - MOST_NAMED} more` : "";
  const node = element(html`
    <div class="callout callout--warning" role="status" data-testid="missing-runs">${icon("warning")}
      <span>${ids.length === 1 ? "A run is" : `${ids.length} runs are`} missing, deleted or mistyped:
        ${ids.slice(0, MOST_NAMED).join(", ")}${more}.</span>
      <button type="button" class="button button--small" data-testid="leave-out-missing">Leave out</button></div>`);
  node.querySelector("button").addEventListener("click", leaveOut);
  return [node];
}
