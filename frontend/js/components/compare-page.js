import { childController } from "../abort.js";
import { ago } from "../format.js";
import { element, fill, html, refs } from "../html.js";
import { icon } from "../icons.js";
import { paths } from "../router.js";
import { createCompareView } from "./compare-view.js";
import { pickRuns } from "./run-picker.js";
import { armChip, statusChip } from "./status-chip.js";

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
    return ids.length
      ? showRuns(places.body, child, ids, (id) => show(ids.filter((one) => one !== id)))
      : showAll(places.body, child);
  };
  places.choose.addEventListener("click", async () => {
    const chosen = await pickRuns(app.runs, ids);
    if (chosen && !app.signal.aborted) show(chosen);
  });
  show(ids);
}

async function showRuns(body, app, ids, remove) {
  try {
    const answer = await app.api.compare(ids, app.signal);
    app.runs.putAll(answer.runs);
    const view = createCompareView(answer, app, { isRemovable: true });
    view.node.addEventListener("removed", ({ detail }) => remove(detail.id));
    body.replaceChildren(view.node);
  } catch (error) {
    if (error.name !== "AbortError")
      fill(body, html`<div class="empty"><h2>These runs cannot be compared</h2><p>${error.message}</p></div>`);
  }
}

const member = (run) =>
  html`<li><a href="${paths.run(run.id)}">${run.name}</a>${armChip(run.arm)}${statusChip(run.status)}</li>`;

const card = (comparison) => html`
  <li class="panel comparison-card"><h3><a href="${paths.comparison(comparison.id)}">${comparison.name}</a></h3>
    <p class="hint">${comparison.runs.length} runs · ${comparison.mode} · ${ago(comparison.created_at)}</p>
    <ul>${comparison.runs.slice(0, 6).map(member)}</ul></li>`;

async function showAll(body, { api, signal }) {
  try {
    const { items } = await api.comparisons(signal);
    fill(
      body,
      items.length
        ? html`<h2 class="section-title">Comparisons</h2><ul class="comparisons">${items.map(card)}</ul>`
        : html`
      <div class="empty"><h2>Nothing to compare yet</h2>
        <p>Launch a baseline with its stochastic-depth twin, or choose any
        two runs.</p><a class="button" href="${paths.new}?kind=pair">Launch a pair</a></div>`,
    );
  } catch (error) {
    if (error.name !== "AbortError") fill(body, html`<div class="empty"><p>${error.message}</p></div>`);
  }
}
