import { onceReachable } from "../again.js";
import { ago } from "../format.js";
import { element, fill, fragment, html, refs } from "../html.js";
import { paths } from "../router.js";
import { pairLabel } from "../run-names.js";
import { MODES } from "../run-words.js";
import { statusChip } from "./status-chip.js";

const SHOWN_RUNS = 6;

const member = (run) =>
  html`<li><a href="${paths.run(run.id)}" title="${run.name}">${pairLabel(run.arm, run.seed)}</a>${statusChip(run.status)}</li>`;

function countOf({ runs, deleted }) {
  const count = `${runs.length} run${runs.length === 1 ? "" : "s"}`;
  return deleted?.length ? `${count}, ${deleted.length} deleted` : count;
}

const card = (comparison) => html`
  <li class="panel comparison-card" data-testid="comparison-card"><h3><a
    href="${paths.comparison(comparison.id)}">${comparison.name}</a></h3>
    <p class="hint">${countOf(comparison)} · ${MODES[comparison.mode]} · ${ago(comparison.created_at)}</p>
    <ul>${comparison.runs.slice(0, SHOWN_RUNS).map(member)}</ul></li>`;

const list = () => html`
  <div class="stack"><h2 class="section-title">Comparisons</h2><ul class="comparisons" data-ref="cards"></ul>
    <div><button type="button" class="button" data-ref="more" data-testid="show-more" hidden>Show more</button></div>
  </div>`;

const none = () => html`
  <div class="empty"><h2>Nothing to compare yet</h2>
    <p>Launch a baseline with its stochastic-depth twin, or choose any two runs.</p>
    <a class="button" href="${paths.new}?kind=comparison">Launch a comparison</a></div>`;

/** All comparisons, newest first; who comes back finds as many pages of them as before. */
export async function showComparisons(body, app) {
  const { api, router, toasts, signal } = app;
  const wanted = router.place?.pages ?? 1;
  const node = element(list());
  const { cards, more } = refs(node);
  let next = null;
  let pages = 0;
  const showNext = async () => {
    const answer = await api.comparisons({ cursor: next }, signal);
    cards.append(fragment(html`${answer.items.map(card)}`));
    next = answer.next;
    pages += 1;
    more.hidden = !next;
    router.keep({ pages });
  };
  more.addEventListener("click", () => showNext().catch((error) => toasts.error(error)));
  try {
    do await showNext();
    while (next && pages < wanted);
    if (cards.children.length) body.replaceChildren(node);
    else fill(body, none());
  } catch (error) {
    if (error.name === "AbortError") return;
    onceReachable(error, () => showComparisons(body, app), app);
    fill(body, html`<div class="empty"><p>${error.message}</p></div>`);
  }
}
