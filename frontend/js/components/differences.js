import { differenceScale, heightsOf, placeOf } from "../difference-scale.js";
import { number, signed } from "../format.js";
import { html } from "../html.js";
import { armName } from "../run-words.js";
import { swatch } from "./swatch.js";

/** [name, unit, digits] of what a plan may be about. */
const METRICS = { "val/top1": ["top-1", "points", 2], "val/top5": ["top-5", "points", 2], "val/loss": ["loss", "", 4] };

export const CONCLUSIONS = {
  better: "better",
  worse: "worse",
  not_inferior: "not inferior",
  inferior: "inferior",
  undecided: "undecided",
  not_enough: "not enough seeds",
};

const at = (value, scale) => `${placeOf(value, scale).toFixed(2)}%`;

function interval({ low, high, mean }, scale) {
  if (mean === null || (low === null && high === null)) return "";
  const from = low === null ? 0 : placeOf(low, scale);
  const to = high === null ? 100 : placeOf(high, scale);
  const isCut = (end, edge) => end === null || (edge === "low" ? end < scale.low : end > scale.high);
  const cut = `${isCut(low, "low") ? " diff__interval--cut-low" : ""}${isCut(high, "high") ? " diff__interval--cut-high" : ""}`;
  return html`<span class="diff__interval${cut}" style="left:${from.toFixed(2)}%;width:${(to - from).toFixed(2)}%"></span>`;
}

const STEP = 8;

function dots(found, scale, digits) {
  const heights = heightsOf(
    found.map(({ value }) => value),
    scale,
  );
  return found.map((one, index) => dot(one, STEP * heights[index], scale, digits));
}

const dot = ({ seed, value }, above, scale, digits) => html`
  <span class="diff__dot" style="left:${at(value, scale)};transform:translateY(${-above}px)" title="seed ${seed}: ${signed(value, digits)}"></span>`;

const row = (contrast, { scale, marginAt, digits, line }) => html`
  <li class="diff" data-testid="difference">
    <div class="diff__name"><strong>${line ? swatch(line) : ""}${armName(contrast.arm)}</strong>
      <span class="diff__conclusion" data-conclusion="${contrast.conclusion}">${CONCLUSIONS[contrast.conclusion]}</span></div>
    <div class="diff__track" role="img" aria-label="${told(contrast, digits)}">
      <span class="diff__line" style="left:${at(0, scale)}"></span>
      ${marginAt === null ? "" : html`<span class="diff__line diff__line--margin" style="left:${at(marginAt, scale)}"></span>`}
      ${interval(contrast, scale)}
      ${dots(contrast.differences, scale, digits)}
      ${contrast.mean === null ? "" : html`<span class="diff__mean" style="left:${at(contrast.mean, scale)}"></span>`}
    </div>
    <div class="diff__value"><strong>${contrast.mean_text}</strong><small>${contrast.interval_text}</small></div>
  </li>`;

/** What the picture shows, for who does not see it. */
function told({ differences: found, mean_text: mean, interval_text: range }, digits) {
  const each = found.map(({ seed, value }) => `seed ${seed} ${signed(value, digits)}`).join(", ");
  return `Mean ${mean}, ${range}. ${each}.`;
}

/** A dot for each seed of each arm, its mean with the interval of the plan, and the lines of no difference and margin. */
export function differences(contrasts, plan, lines) {
  const shown = contrasts.filter((contrast) => contrast.differences.length);
  if (!shown.length) return "";
  const [metric, unit, digits] = METRICS[plan.metric];
  const isLess = plan.metric === "val/loss";
  const marginAt = plan.margin === null ? null : isLess ? plan.margin : -plan.margin;
  const scale = differenceScale(shown, marginAt);
  const sides = isLess ? ["better", "worse"] : ["worse", "better"];
  return html`
    <figure class="diffs" data-testid="differences-plot">
      <figcaption class="diffs__title">Difference in ${metric} to ${armName(shown[0].reference)}${unit ? `, in ${unit}` : ""}:
        a dot for each seed, the mean with its interval${marginAt === null ? "" : ", each end of which holds alone"}</figcaption>
      <ul class="diffs__rows">${shown.map((contrast) => row(contrast, { scale, marginAt, digits, line: lines?.get(contrast.arm) }))}</ul>
      <div class="diff diff--axis" aria-hidden="true"><div></div><div class="diff__track">
        ${scale.ticks.map((tick) => html`<span class="diff__tick" style="left:${at(tick, scale)}">${tick === 0 ? "0" : number(tick)}</span>`)}
      </div><div></div></div>
      <div class="diff diff--sides" aria-hidden="true"><div></div><p class="diffs__sides"><span>← ${sides[0]}</span>
        ${marginAt === null ? "" : html`<span>dashed: the margin of ${plan.margin}</span>`}<span>${sides[1]} →</span></p>
        <div></div></div>
    </figure>`;
}
