import { childController } from "../abort.js";
import { element, html, refs, setAttribute, setText } from "../html.js";
import { icon } from "../icons.js";
import { LONGEST_SEARCH, MOST_COMPARED, tooManyToCompare } from "../limits.js";
import { DEFAULT_SORT } from "../run-list.js";
import { RunListing } from "../run-listing.js";
import { nameCut } from "./name-cut.js";
import { statusChip } from "./status-chip.js";

const SHOWN = 50;

const dialogOf = () => html`
  <dialog class="dialog dialog--picker" aria-labelledby="picker-title" data-testid="run-picker">
    <form method="dialog">
      <h2 id="picker-title">Choose runs to compare</h2>
      <label class="search"><span class="visually-hidden">Search runs</span>${icon("search")}
        <input type="search" placeholder="Search names, tags, notes or an id" data-ref="search" autocomplete="off"
          maxlength="${LONGEST_SEARCH}" data-testid="picker-search" autofocus></label>
      <ul class="picker" data-ref="list" tabindex="-1"></ul>
      <p class="hint" role="status" data-ref="note" data-testid="picker-note"></p>
      <p class="field__error" role="alert" data-ref="error" data-testid="picker-error"></p>
      <div class="dialog__buttons"><button class="button" value="cancel">Cancel</button>
        <button class="button button--primary" value="take" data-ref="take" data-testid="picker-ok"></button></div>
    </form>
  </dialog>`;

const line = (chosen) => (run) => html`
  <li><label><input type="checkbox" value="${run.id}" aria-label="${run.name}, ${run.status}" ${chosen.has(run.id) ? html`checked` : ""}>
    <span class="picker__name" title="${run.name}">${nameCut(run.name)}</span>${statusChip(run.status)}</label></li>`;

/**
 * Lets the user choose among all runs; resolves to the ids, or to null when it is cancelled. How many are chosen in all
 * is said, for a search may hide some of them.
 */
export function pickRuns(app, ids) {
  const dialog = element(dialogOf());
  const places = refs(dialog);
  const chosen = new Set(ids);
  const closing = childController(app.signal);
  const listing = new RunListing({ ...app, signal: closing.signal });
  const view = () => ({ q: places.search.value.trim(), status: "", sort: DEFAULT_SORT, rows: SHOWN });
  const draw = () => drawList({ places, listing, chosen });
  places.search.addEventListener("input", () => {
    listing.show(view(), { isTyped: true });
    draw();
  });
  places.list.addEventListener("change", ({ target }) => {
    if (target.checked) chosen.add(target.value);
    else chosen.delete(target.value);
    drawChoice(places, chosen);
    drawNote(places, { listing, chosen });
  });
  // Enter in the search would press Cancel, the form's first button.
  places.search.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  places.take.addEventListener("click", (event) => chosen.size > MOST_COMPARED && event.preventDefault());
  listing.addEventListener("changed", draw);
  // Opened before the runs were there, it shows them when they come.
  let isEarly = !app.runs.isLoaded;
  const drawEarly = () => {
    if (isEarly) draw();
    isEarly = !app.runs.isLoaded;
  };
  app.runs.addEventListener("changed", drawEarly, { signal: closing.signal });
  listing.show(view());
  draw();
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      closing.abort();
      dialog.remove();
      resolve(dialog.returnValue === "take" ? [...chosen] : null);
    });
  });
}

function drawList({ places, listing, chosen }) {
  places.list.replaceChildren(...listing.found.shown.map((run) => element(line(chosen)(run))));
  drawChoice(places, chosen);
  drawNote(places, { listing, chosen });
}

/** The button says how many runs it takes, and why it does not take them. */
function drawChoice({ take, error }, chosen) {
  setText(take, chosen.size ? `Compare ${chosen.size} run${chosen.size > 1 ? "s" : ""}` : "Show all comparisons");
  setText(error, chosen.size > MOST_COMPARED ? tooManyToCompare(chosen.size) : "");
  setAttribute(take, "aria-disabled", chosen.size > MOST_COMPARED ? "true" : null);
}

function drawNote({ note }, { listing, chosen }) {
  const { shown, hasMore, isReady, error } = listing.found;
  const isShown = new Set(shown.map((run) => run.id));
  const hidden = [...chosen].filter((id) => !isShown.has(id)).length;
  const parts = [
    !isReady && "Looking.",
    error?.message,
    isReady && !error && !shown.length && "No run matches.",
    hidden && `${hidden} chosen ${hidden > 1 ? "ones are" : "one is"} not in this list.`,
    hasMore && "Search for those that are not listed.",
  ];
  setText(note, parts.filter(Boolean).join(" "));
}
