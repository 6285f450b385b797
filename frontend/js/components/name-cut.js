import { html } from "../html.js";

/** What tells names apart is mostly at their end: seed, arm, "copy". */
const KEPT = 16;

/** A name in one line which, where it is too long, loses its middle and keeps both ends. */
export function nameCut(name) {
  const signs = [...name];
  const at = Math.max(0, signs.length - KEPT);
  return html`<span class="name-cut"><span class="name-cut__head">${signs.slice(0, at).join("")}</span
    ><span>${signs.slice(at).join("")}</span></span>`;
}
