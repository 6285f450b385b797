import { element, html, refs, setText } from "../html.js";
import { icon } from "../icons.js";
import { allows } from "../status.js";

const BUTTONS = [
  ["compare", "Compare", "compare"],
  ["pause", "Pause", "pause"],
  ["resume", "Resume", "resume"],
  ["stop", "Stop", "stop"],
  ["delete", "Delete", "trash"],
];

const button = ([action, label, shape]) => html`
  <button type="button" class="button button--small" data-action="${action}" data-testid="bulk-${action}">
    ${icon(shape)}<span>${label}</span></button>`;

/** What can be done with the selected runs. Emits "asked" {action} on its node, "clear" among the actions. */
export function createBulkBar() {
  const node = element(html`
    <div class="bulk-bar" role="toolbar" aria-label="Selected runs" data-testid="bulk-bar" hidden>
      <span class="bulk-bar__count" role="status" data-ref="count" data-testid="bulk-count"></span>
      ${BUTTONS.map(button)}
      <button type="button" class="icon-button" data-action="clear" aria-label="Clear the selection"
        data-testid="bulk-clear">${icon("close")}</button>
    </div>`);
  const { count } = refs(node);
  node.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-action]");
    if (pressed && pressed.getAttribute("aria-disabled") !== "true") {
      node.dispatchEvent(new CustomEvent("asked", { detail: { action: pressed.dataset.action } }));
    }
  });
  return {
    node,
    /** `runs` are those selected that are in view, `hidden` is how many more are selected. */
    show(runs, hidden) {
      node.hidden = runs.length + hidden === 0;
      setText(count, `${runs.length} selected${hidden ? ` in view, ${hidden} out of view (left alone)` : ""}`);
      for (const [action] of BUTTONS) {
        const isPossible = action === "compare" ? runs.length > 1 : runs.some((run) => allows(run, action));
        node.querySelector(`[data-action=${action}]`).setAttribute("aria-disabled", String(!isPossible));
      }
    },
  };
}
