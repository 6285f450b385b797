import { element, html, refs } from "../html.js";
import { icon } from "../icons.js";
import { select, sorted } from "../run-list.js";
import { statusChip } from "./status-chip.js";

const SHOWN = 50;

const dialogOf = () => html`
  <dialog class="dialog dialog--picker" aria-labelledby="picker-title" data-testid="run-picker">
    <form method="dialog">
      <h2 id="picker-title">Choose runs to compare</h2>
      <label class="search"><span class="visually-hidden">Search runs</span>${icon("search")}
        <input type="search" placeholder="Search runs" data-ref="search" autocomplete="off" autofocus></label>
      <ul class="picker" data-ref="list"></ul>
      <div class="dialog__buttons"><button class="button" value="cancel">Cancel</button>
        <button class="button button--primary" value="take" data-testid="picker-ok">Compare</button></div>
    </form>
  </dialog>`;

const line = (chosen) => (run) => html`
  <li><label><input type="checkbox" value="${run.id}" ${chosen.has(run.id) ? html`checked` : ""}>
    <span class="picker__name">${run.name}</span>${statusChip(run.status)}</label></li>`;

/** Lets the user choose among all runs; resolves to the ids, or to null when it is cancelled. */
export function pickRuns(runs, ids) {
  const dialog = element(dialogOf());
  const { search, list } = refs(dialog);
  const chosen = new Set(ids);
  const draw = () => {
    const found = sorted(select(runs.all(), { q: search.value }), "-created_at").slice(0, SHOWN);
    list.replaceChildren(...found.map((run) => element(line(chosen)(run))));
  };
  search.addEventListener("input", draw);
  list.addEventListener("change", ({ target }) =>
    target.checked ? chosen.add(target.value) : chosen.delete(target.value),
  );
  // Enter in the search would press Cancel, the form's first button.
  search.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  draw();
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "take" ? [...chosen] : null);
    });
  });
}
