import { duration, percent, signed } from "../format.js";
import { html } from "../html.js";
import { icon } from "../icons.js";

const times = (ratio) => (typeof ratio === "number" ? `${ratio.toFixed(2)}×` : "–");

function accuracy(difference) {
  if (typeof difference !== "number") return "finished";
  if (Math.abs(difference) < 0.005) return "reached the same top-1";
  return `reached ${Math.abs(difference).toFixed(2)} points ${difference > 0 ? "more" : "less"} top-1`;
}

function speed(ratio) {
  if (typeof ratio !== "number") return "";
  return ` and took ${times(ratio)} the training time`;
}

const caution = (pairs) =>
  pairs.length > 1
    ? ""
    : html`
  <p class="callout callout--info">${icon("info")}<span>One pair is an anecdote: seeds alone move these numbers. Launch
    more seeds to see what holds.</span></p>`;

const row = (pair) => html`
  <tr><th scope="row">Seed ${pair.seed}</th>
    <td>${percent(pair.baseline.last_top1)}<small>best ${percent(pair.baseline.best_top1)}</small></td>
    <td>${percent(pair.sd.last_top1)}<small>best ${percent(pair.sd.best_top1)}</small></td>
    <td>${signed(pair.difference)}</td>
    <td>${duration(pair.baseline.seconds)}</td><td>${duration(pair.sd.seconds)}</td>
    <td>${times(pair.time_ratio)}</td></tr>`;

/** What the finished pairs say, in a sentence and by seed. */
export function verdict(found, total) {
  if (!found?.pairs?.length) {
    return html`<p class="verdict__wait" data-testid="verdict-pending">The verdict comes when both runs of a pair have
      finished.</p>`;
  }
  const { pairs, mean_difference: difference, mean_time_ratio: ratio } = found;
  return html`
    <div class="verdict" data-testid="verdict">
      <p class="verdict__sentence">With stochastic depth the network ${accuracy(difference)}${speed(ratio)}${
        pairs.length > 1 ? `, on average over ${pairs.length} pairs` : ""
      }.</p>
      <div class="tiles"><div class="tile"><span class="tile__label">Difference of last top-1</span>
          <strong>${signed(difference)} <small>points</small></strong></div>
        <div class="tile"><span class="tile__label">Training time, SD / baseline</span>
          <strong>${times(ratio)}</strong></div>
        <div class="tile"><span class="tile__label">Pairs finished</span>
          <strong>${pairs.length}<small> of ${total}</small></strong></div></div>
      ${caution(pairs)}
      <div class="scroller" tabindex="0" role="group" aria-label="Results by seed"><table class="matrix">
        <thead><tr><th scope="col"><span class="visually-hidden">Seed</span></th><th scope="col">Baseline top-1</th>
          <th scope="col">SD top-1</th><th scope="col">Difference</th><th scope="col">Baseline time</th>
          <th scope="col">SD time</th><th scope="col">Ratio</th></tr></thead>
        <tbody>${pairs.map(row)}</tbody></table></div>
    </div>`;
}
