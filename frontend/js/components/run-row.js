import { ago, localTime, percent, utcTime } from "../format.js";
import { element, fill, html, refs, setAttribute, setText } from "../html.js";
import { icon } from "../icons.js";
import { colourOf } from "../palette.js";
import { paths } from "../router.js";
import { keySettings } from "../run-list.js";
import { noteOf } from "../run-words.js";
import { allows } from "../status.js";
import { nameCut } from "./name-cut.js";
import { createProgress } from "./progress.js";
import { armChip, createStatusChip } from "./status-chip.js";

const ACTIONS = [
  ["pause", "Pause"],
  ["resume", "Resume"],
  ["stop", "Stop"],
];

const actionButton = ([action, label]) => html`
  <button type="button" class="icon-button" data-action="${action}" data-testid="row-${action}"
    title="${label}">${icon(action)}</button>`;

const row = (run) => html`
  <tr role="row" class="run-row" data-run="${run.id}" data-testid="run-row">
    <td role="cell" class="run-row__check"><input type="checkbox" data-ref="check" data-testid="row-check"></td>
    <td role="cell" class="run-row__name">
      <span class="swatch" aria-hidden="true" data-ref="swatch"></span>
      <div class="run-row__title">
        <a class="run-row__link" href="${paths.run(run.id)}" data-ref="name" data-testid="row-open"></a>
        <div class="run-row__second"><span class="run-row__chips" data-ref="arm"></span>
          <span class="run-row__note" data-ref="note"></span></div>
      </div>
    </td>
    <td role="cell" class="run-row__status" data-ref="status"></td>
    <td role="cell" class="run-row__progress" data-ref="progress"></td>
    <td role="cell" class="run-row__best numeric"><span class="cell-label">Best top-1</span>
      <span data-ref="best"></span></td>
    <td role="cell" class="run-row__settings" data-ref="settings"></td>
    <td role="cell" class="run-row__launched"><time data-ref="launched"></time></td>
    <td role="cell" class="run-row__actions"><div class="button-row">${ACTIONS.map(actionButton)}
      <a class="icon-button" href="${paths.run(run.id)}" title="Open" data-ref="open">${icon("open")}</a></div></td>
  </tr>`;

function comparisonChip(run) {
  if (!run.comparison_id) return html``;
  return html`${armChip(run.arm)}<a class="chip chip--link" href="${paths.comparison(run.comparison_id)}"
    title="Open the comparison it belongs to" aria-label="Comparison of ${run.name}">${icon("link")}seed
    ${run.config.seed}</a>`;
}

/** A hidden button must not keep the focus: its neighbour takes it. */
function showAllowed(buttons, run) {
  const active = document.activeElement;
  for (const button of buttons) button.hidden = !allows(run, button.dataset.action);
  if (active?.hidden && buttons.includes(active)) (buttons.find((button) => !button.hidden) ?? null)?.focus();
}

/** One row of the table; `update` changes only what differs. */
export function createRunRow(run) {
  const node = element(row(run));
  const places = refs(node);
  const status = createStatusChip();
  const progress = createProgress();
  const buttons = [...node.querySelectorAll("[data-action]")];
  places.status.append(status.node);
  places.progress.append(progress.node);
  places.swatch.style.background = colourOf(run);
  fill(places.arm, comparisonChip(run));
  let shown = null;
  const update = (next, { isSelected }) => {
    places.check.checked = isSelected;
    setAttribute(node, "aria-selected", isSelected);
    if (next === shown) return;
    if (next.name !== shown?.name) rename(node, places, buttons, next);
    shown = next;
    // Always a second line, so that rows keep their height when a reason comes or goes.
    setText(places.note, noteOf(next) || next.tags.join(", ") || next.id);
    setAttribute(places.note, "title", noteOf(next) || null);
    setAttribute(places.note, "data-status", next.status);
    status.update(next.status);
    progress.update(next);
    setText(places.best, percent(next.best?.["val/top1"]));
    setText(places.settings, keySettings(next.config));
    showAllowed(buttons, next);
    tick();
  };
  const tick = () => {
    setText(places.launched, ago(shown.created_at));
    setAttribute(places.launched, "datetime", shown.created_at);
    setAttribute(places.launched, "title", `${localTime(shown.created_at)} (${utcTime(shown.created_at)})`);
  };
  return { node, update, tick };
}

function rename(node, places, buttons, run) {
  fill(places.name, nameCut(run.name));
  setAttribute(places.name, "title", run.name);
  setAttribute(places.name, "aria-label", run.name);
  setAttribute(places.check, "aria-label", `Select ${run.name}`);
  setAttribute(places.open, "aria-label", `Open ${run.name}`);
  for (const button of buttons) setAttribute(button, "aria-label", `${button.title} ${run.name}`);
}
