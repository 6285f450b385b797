import { armName, shortArmName } from "../run-words.js";
import { element, html, setAttribute, setText } from "../html.js";

/** A run's shown status as a chip. */
export function createStatusChip() {
  const node = element(html`
    <span class="status" data-testid="status-chip"><span class="status__dot" aria-hidden="true"></span
      ><span></span></span>`);
  const label = node.lastElementChild;
  return {
    node,
    update(status) {
      setAttribute(node, "data-status", status);
      setText(label, status);
    },
  };
}

/** The same, for what is drawn once. */
export function statusChip(status) {
  return html`<span class="status" data-status="${status}" data-testid="status-chip"
    ><span class="status__dot" aria-hidden="true"></span><span>${status}</span></span>`;
}

export function armChip(arm) {
  return arm ? html`<span class="chip ${arm === "sd" ? "chip--sd" : ""}" title="${armName(arm)}">${shortArmName(arm)}</span>` : html``;
}
