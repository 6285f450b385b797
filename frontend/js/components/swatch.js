import { html } from "../html.js";

/** What a line looks like, {colour, pattern}: `shape` is the class of a swatch whose line is drawn through. */
export function swatch({ colour, pattern = 0 }, shape = "") {
  return pattern
    ? html`<span class="swatch swatch--dashed" data-pattern="${pattern}" aria-hidden="true"
      style="--line:${colour}"></span>`
    : html`<span class="swatch ${shape}" aria-hidden="true" style="background:${colour}"></span>`;
}
