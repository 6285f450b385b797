import { fixed, localTime, pValue, percent, signed, stepTime } from "../format.js";
import { html } from "../html.js";
import { icon } from "../icons.js";
import { armLines } from "../palette.js";
import { armName } from "../run-words.js";
import { accuracyAgainstCompute, armResults } from "./arm-results.js";
import { CONCLUSIONS, differences } from "./differences.js";
import { evidence } from "./evidence.js";

const step = (quartiles) => html`${stepTime(quartiles?.median)}${
  quartiles ? html`<small>${stepTime(quartiles.q1)} to ${stepTime(quartiles.q3)}</small>` : ""
}`;

const row = (pair) => html`
  <tr><th scope="row">Seed ${pair.seed}</th>
    <td>${percent(pair.baseline.last_top1)}<small>best ${percent(pair.baseline.best_top1)}</small></td>
    <td>${percent(pair.sd.last_top1)}<small>best ${percent(pair.sd.best_top1)}</small></td>
    <td>${signed(pair.difference)}</td>
    <td>${step(pair.baseline.step_seconds)}</td><td>${step(pair.sd.step_seconds)}</td>
    <td>${fixed(pair.time_ratio)}${
      pair.time_low === null ? "" : html`<small>${fixed(pair.time_low)} to ${fixed(pair.time_high)}</small>`
    }</td><td>${fixed(pair.compute_ratio)}</td></tr>`;

const tile = ({ title, value, remark }) => html`
  <div class="tile"><span class="tile__label">${title}</span><strong>${value}</strong><small>${remark}</small></div>`;

function timeNote({ time_sentence: sentence, times_explained: isExplained, contrasts }) {
  if (contrasts.length > 1) return contrasts.filter(({ speed }) => speed.sentence && !speed.is_explained).map(armNote);
  return sentence ? note(isExplained ? "info" : "warning", sentence) : "";
}

/** Of several arms only those whose time skipping cannot explain, or cannot be told: the table has the ratios of all. */
const armNote = ({ arm, speed }) => note("warning", `${armName(arm)}: ${speed.sentence}`);

const note = (kind, text) =>
  html`<p class="callout callout--${kind}" data-testid="verdict-time">${icon(kind)}<span>${text}</span></p>`;

const arm = (contrast) => html`
  <tr><th scope="row">${armName(contrast.arm)}</th><td>${CONCLUSIONS[contrast.conclusion]}</td>
    <td>${contrast.mean_text}<small>${contrast.interval_text}</small></td><td>${contrast.n}</td>
    <td>${pValue(contrast.p_adjusted)}</td><td>${fixed(contrast.speed.time_ratio?.mean ?? null)}${
      contrast.speed.time_ratio && !contrast.speed.is_explained ? html`<small>not explained by skipping</small>` : ""
    }</td>
    <td>${fixed(contrast.speed.compute_ratio?.mean ?? null)}</td></tr>`;

const arms = (contrasts) => html`
  <div class="scroller" tabindex="0" role="group" aria-label="Results by arm"><table class="matrix" data-testid="arms">
    <thead><tr><th scope="col">Against ${armName(contrasts[0].reference)}</th><th scope="col">Conclusion</th>
      <th scope="col">Difference</th><th scope="col">Seeds</th><th scope="col">p</th><th scope="col">Step ratio</th>
      <th scope="col">Compute ratio</th></tr></thead>
    <tbody>${contrasts.map(arm)}</tbody></table></div>`;

const why = ({ headline, reason }) => html`<li>${headline} ${reason}</li>`;

const pairs = (found) => html`
      <div class="scroller" tabindex="0" role="group" aria-label="Results by seed"><table class="matrix">
        <thead><tr><th scope="col"><span class="visually-hidden">Seed</span></th><th scope="col">Baseline top-1</th>
          <th scope="col">Stochastic depth top-1</th><th scope="col">Difference</th><th scope="col">Baseline step</th>
          <th scope="col">Stochastic depth step</th><th scope="col">Step ratio</th><th scope="col">Compute ratio</th></tr></thead>
        <tbody>${found.map(row)}</tbody></table></div>`;

const deviation = ({ at, sentence }) =>
  html`<li class="callout callout--info">${icon("info")}<span>Changed after the first run had started, ${localTime(at)}: ${sentence}</span></li>`;

const warning = (text) => html`<li class="callout callout--warning">${icon("warning")}<span>${text}</span></li>`;

/** What is known of a comparison, in the service's own words, by arm and by seed. `total` is the number of its seeds. */
export function verdict({ id, runs, headline, verdict: found, plan, plan_sentence: planned, deviations }, total) {
  if (!found?.seeds?.length) return html`<p class="verdict__wait" data-testid="verdict-pending">${headline}</p>`;
  const completed = { title: "Seeds completed", value: found.seeds.length, remark: `of ${total}` };
  const lines = armLines(runs.map((run) => ({ ...run, comparison_id: id, config: { seed: run.seed } })));
  return html`
    <div class="verdict" data-testid="verdict">
      <p class="verdict__sentence">${headline}</p>
      ${found.reason ? html`<p class="hint" data-testid="verdict-reason">${found.reason}</p>` : ""}
      ${differences(found.contrasts, plan, lines)}
      ${evidence(found.contrasts, plan, lines)}
      <p class="hint" data-testid="plan">${planned}</p>
      ${deviations?.length ? html`<ul class="callouts" data-testid="deviations">${deviations.map(deviation)}</ul>` : ""}
      ${timeNote(found)}
      <ul class="callouts">${found.warnings.map(warning)}</ul>
      <div class="tiles">${[...found.tiles, completed].map(tile)}</div>
      <ul class="verdict__sentences">${found.sentences.map((text) => html`<li>${text}</li>`)}</ul>
      ${arms(found.contrasts)}
      ${found.reason ? "" : html`<ul class="verdict__sentences">${found.contrasts.map(why)}</ul>`}
      ${found.arms?.length ? armResults(found.arms, lines) : ""}
      ${found.arms?.length ? accuracyAgainstCompute(found.arms, lines) : ""}
      ${found.pairs.length ? pairs(found.pairs) : ""}
      <p class="hint">A step is the median over a run's reports, with its quartiles, without evaluations, checkpoints,
        pauses and the first steps after a start. A ratio's interval is of the two runs of its seed, by their blocks of
        steps.</p>
    </div>`;
}
