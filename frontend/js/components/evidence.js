import { evidenceScale, heightOf, pathOf } from "../evidence-scale.js";
import { number } from "../format.js";
import { html } from "../html.js";
import { USUAL_MOST_SEEDS } from "../limits.js";
import { shortArmName } from "../run-words.js";
import { swatch } from "./swatch.js";

const entry = ({ arm, looks }, line) => html`
  <li>${swatch(line, "swatch--line")} ${shortArmName(arm)}
    <strong>${number(looks.at(-1).evidence)}</strong></li>`;

const path = ({ looks }, { colour }, scale) => html`
  <polyline points="${pathOf(looks, scale)}" fill="none" stroke="${colour}" stroke-width="2"
    vector-effect="non-scaling-stroke"></polyline>`;

const told = ({ arm, looks }) =>
  `${shortArmName(arm)}: ${looks.map(({ seed, evidence }) => `seed ${seed} ${number(evidence)}`).join(", ")}`;

/**
 * What a plan that looks after each seed has gathered against what it doubts, by number of seeds, and where it decides;
 * nothing for a plan that is fixed. Several arms need more, by Holm's correction.
 */
export function evidence(contrasts, plan, lines) {
  const shown = contrasts.filter(({ looks }) => looks?.length);
  if (plan.stopping !== "sequential" || !shown.length) return "";
  const needed = shown[0].evidence_needed;
  const scale = evidenceScale(
    shown.map(({ looks }) => looks),
    needed,
  );
  const count = Math.max(...shown.map(({ looks }) => looks.length));
  const several = shown.length > 1 ? `; of ${shown.length} arms the first to be decided needs ${shown.length} times that` : "";
  return html`
    <figure class="evidence" data-testid="evidence-plot">
      <figcaption class="diffs__title">Evidence after each seed, on a logarithmic scale: decided at ${number(needed)}${several}.
        ${count} of at most ${plan.max_seeds ?? USUAL_MOST_SEEDS} seeds are in.</figcaption>
      <div class="evidence__box" role="img" aria-label="${shown.map(told).join(". ")}. Decided at ${number(needed)}.">
        <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
          ${shown.map((one) => path(one, lines.get(one.arm), scale))}
        </svg>
        <span class="evidence__line" style="top:${heightOf(needed, scale).toFixed(2)}%"><small>${number(needed)}</small></span>
        <span class="evidence__line evidence__line--none" style="top:${heightOf(1, scale).toFixed(2)}%"><small>1</small></span>
      </div>
      <div class="evidence__axis" aria-hidden="true"><span>1 seed</span><span>${scale.seeds} seeds</span></div>
      <ul class="evidence__legend">${shown.map((one) => entry(one, lines.get(one.arm)))}</ul>
    </figure>`;
}
