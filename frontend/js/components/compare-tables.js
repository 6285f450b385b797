import { epochs, measured, setting } from "../format.js";
import { html } from "../html.js";
import { icon } from "../icons.js";
import { paths } from "../router.js";
import { labelsOf } from "../run-names.js";
import { swatch } from "./swatch.js";

const runHeading = (lines, labels) => (run) => html`
  <th scope="col"><a href="${paths.run(run.id)}" title="${run.name}">${swatch(lines.get(run.id))}${labels.get(run.id)}</a></th>`;

function matrix({ label, runs, lines, rows, testid }) {
  return html`
    <div class="scroller" tabindex="0" role="group" aria-label="${label}"><table class="matrix" data-testid="${testid}">
      <thead><tr><th scope="col"><span class="visually-hidden">${label}</span></th>
        ${runs.map(runHeading(lines, labelsOf(runs)))}</tr></thead>
      <tbody>${rows}</tbody></table></div>`;
}

/** The ids whose value is the highest or lowest, whichever is better; none where there is nothing to choose. */
function bestOf({ values, better }) {
  const known = Object.entries(values).filter(([, value]) => typeof value === "number");
  const distinct = new Set(known.map(([, value]) => value));
  if (!better || distinct.size < 2) return new Set();
  const best = better === "higher" ? Math.max(...distinct) : Math.min(...distinct);
  return new Set(known.filter(([, value]) => value === best).map(([id]) => id));
}

const shown = ({ name, unit }, value) => (name === "epoch" ? epochs(value) : measured(value, unit));

const resultRow = (runs) => (result) => {
  const best = bestOf(result);
  const mark = result.better === "higher" ? "highest" : "lowest";
  return html`<tr><th scope="row">${result.label}</th>${runs.map(
    ({ id }) => html`
    <td class="${best.has(id) ? "matrix__best" : ""}">${shown(result, result.values[id])}${
      best.has(id)
        ? html`<span class="matrix__mark">${icon("check")}<span class="visually-hidden">${mark}</span></span>`
        : ""
    }</td>`,
  )}</tr>`;
};

export function resultsTable({ runs, results }, lines) {
  return matrix({ label: "Results", runs, lines, rows: results.map(resultRow(runs)), testid: "results" });
}

const differenceRow =
  (runs) =>
  ({ field, label, values }) => html`
  <tr><th scope="row" title="${field}">${label}</th>
    ${runs.map(({ id }) => html`<td>${setting(values[id])}</td>`)}</tr>`;

/** A column for each arm; a seed is no setting that an arm changes, and one that varies within an arm says so. */
function armsDifferences({ runs, differences }, arms) {
  const idsOf = (arm) => runs.filter((run) => run.arm === arm).map((run) => run.id);
  const valuesOf = (values, arm) => [...new Set(idsOf(arm).map((id) => setting(values[id])))];
  const rows = differences.filter(({ field }) => field !== "seed");
  if (!rows.length) return html`<p class="hint">The arms have the same settings.</p>`;
  return html`
    <div class="scroller" tabindex="0" role="group" aria-label="Settings that differ"><table class="matrix" data-testid="differences">
      <thead><tr><th scope="col"><span class="visually-hidden">Setting</span></th>${arms.map(
        ({ line, label }) => html`<th scope="col">${swatch(line)}${label}</th>`,
      )}</tr></thead>
      <tbody>${rows.map(
        ({ field, label, values }) => html`<tr><th scope="row" title="${field}">${label}</th>${arms.map(
          ({ arm }) => html`<td>${valuesOf(values, arm).join(", ")}</td>`,
        )}</tr>`,
      )}</tbody></table></div>`;
}

/** The settings in which they differ: by arm where there are `arms`, [{arm, line, label}], else by run. */
export function differencesTable({ runs, differences }, lines, arms) {
  if (arms) return armsDifferences({ runs, differences }, arms);
  if (!differences.length) return html`<p class="hint">These runs have the same settings.</p>`;
  return matrix({
    label: "Settings that differ",
    runs,
    lines,
    rows: differences.map(differenceRow(runs)),
    testid: "differences",
  });
}
