import { fixed, percent, share, stepTime } from "../format.js";
import { html } from "../html.js";
import { shortArmName } from "../run-words.js";
import { swatch } from "./swatch.js";

const ranged = (estimate, show) =>
  estimate
    ? html`${show(estimate.mean)}${estimate.low === null ? "" : html`<small>${show(estimate.low)} to ${show(estimate.high)}</small>`}`
    : "–";

const row = (lines) => (found) => html`
  <tr><th scope="row">${swatch(lines.get(found.arm))}${shortArmName(found.arm)}</th><td>${found.seeds}</td>
    <td>${ranged(found.last_top1, percent)}</td><td>${ranged(found.best_top1, percent)}</td>
    <td>${ranged(found.last_top5, percent)}</td><td>${ranged(found.last_loss, (value) => fixed(value, 4))}</td>
    <td>${ranged(found.compute, (value) => share(value, 1))}</td><td>${ranged(found.step_seconds, stepTime)}</td></tr>`;

/** What each arm came to, its seeds folded in. */
export const armResults = (arms, lines) => html`
  <div class="scroller" tabindex="0" role="group" aria-label="Results by arm"><table class="matrix" data-testid="arm-results">
    <thead><tr><th scope="col">Arm</th><th scope="col">Seeds</th><th scope="col">Last top-1</th><th scope="col">Best top-1</th>
      <th scope="col">Last top-5</th><th scope="col">Val. loss</th><th scope="col">Compute</th><th scope="col">Step</th></tr></thead>
    <tbody>${arms.map(row(lines))}</tbody></table></div>`;

/** The ends of an axis that holds all `values`, with a little air, none of it beyond 0 and `most`. */
function ends(values, most) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const air = 0.12 * (high - low || Math.abs(high) || 1);
  return { low: Math.max(0, low - air), high: Math.max(high, Math.min(most, high + air)) };
}

const at = (value, { low, high }) => `${((100 * (value - low)) / (high - low)).toFixed(2)}%`;

/** Its name would leave the box. */
const isRight = (value, { low, high }) => value > low + 0.6 * (high - low);

const point = (found, line, x, y) => html`
  ${
    found.last_top1.low === null
      ? ""
      : html`<span class="spent__bar" style="left:${at(found.compute.mean, x)};bottom:${at(Math.max(found.last_top1.low, y.low), y)};height:calc(${at(
          Math.min(found.last_top1.high, y.high),
          y,
        )} - ${at(Math.max(found.last_top1.low, y.low), y)});background:${line.colour}"></span>`
  }
  <span class="spent__dot" style="left:${at(found.compute.mean, x)};bottom:${at(found.last_top1.mean, y)};background:${line.colour}"></span>
  <span class="spent__name${isRight(found.compute.mean, x) ? " spent__name--left" : ""}"
    style="left:${at(found.compute.mean, x)};bottom:${at(found.last_top1.mean, y)}">${shortArmName(found.arm)}</span>`;

/** Accuracy against compute: a point an arm with the interval of its mean; nothing before an arm knows both. */
export function accuracyAgainstCompute(arms, lines) {
  const shown = arms.filter((found) => found.last_top1 && found.compute);
  if (shown.length < 2) return "";
  const x = ends(shown.map((found) => found.compute.mean), 1);
  // An interval of few seeds may be as wide as all accuracies: it is cut off at twice the span of the means.
  const means = shown.map((found) => found.last_top1.mean);
  const room = 2 * (Math.max(...means) - Math.min(...means) || 1);
  const cut = (value) => Math.min(Math.max(value, Math.min(...means) - room), Math.max(...means) + room);
  const y = ends(shown.flatMap(({ last_top1: { low, mean, high } }) => [mean, cut(low ?? mean), cut(high ?? mean)]), 100);
  const told = shown.map((found) => `${shortArmName(found.arm)} ${percent(found.last_top1.mean)} at ${share(found.compute.mean, 1)}`);
  return html`
    <figure class="spent" data-testid="accuracy-compute">
      <figcaption class="diffs__title">Last top-1 against the share of full compute: the mean over seeds with its 95 % interval</figcaption>
      <div class="spent__box" role="img" aria-label="${told.join(", ")}">
        ${shown.map((found) => point(found, lines.get(found.arm), x, y))}
        <small class="spent__y spent__y--high">${percent(y.high)}</small><small class="spent__y spent__y--low">${percent(y.low)}</small>
      </div>
      <div class="evidence__axis" aria-hidden="true"><span>${share(x.low, 1)}</span><span>compute</span><span>${share(x.high, 1)}</span></div>
    </figure>`;
}
