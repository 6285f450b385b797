import { element, fill, html } from "../html.js";
import { icon } from "../icons.js";

const SHOWN_MS = { info: 5000, error: 12_000 };

/** Short messages at the edge of the page; errors are read out at once, the rest when there is a pause. */
export class Toasts {
  #list;

  constructor(list) {
    this.#list = list;
  }

  info(text) {
    this.#show("info", text);
  }

  /** Says what went wrong; an aborted request is nobody's concern. */
  error(error) {
    if (error?.name !== "AbortError") this.#show("error", error?.message ?? String(error));
  }

  #show(kind, text) {
    const toast = element(html`
      <li class="toast toast--${kind}" role="${kind === "error" ? "alert" : "status"}" data-testid="toast-${kind}">
        ${icon(kind === "error" ? "warning" : "check")}<span></span>
        <button type="button" class="icon-button" aria-label="Dismiss">${icon("close")}</button>
      </li>`);
    const remove = () => toast.remove();
    toast.querySelector("button").addEventListener("click", remove);
    this.#list.append(toast);
    // Filled after it stands in the page: a live region announces changes, not what it is born with.
    fill(toast.querySelector("span"), html`${text}`);
    setTimeout(remove, SHOWN_MS[kind]);
  }
}
