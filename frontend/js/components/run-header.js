import { addresses } from "../api.js";
import { ago, epochs, localTime, number, percent, share, trainingTime, utcTime } from "../format.js";
import { element, fill, html, refs, setAttribute, setText } from "../html.js";
import { icon } from "../icons.js";
import { colourOf } from "../palette.js";
import { paths } from "../router.js";
import { keySettings } from "../run-list.js";
import { noteOf } from "../run-words.js";
import { allows, isLive } from "../status.js";
import { createProgress } from "./progress.js";
import { armChip, createStatusChip } from "./status-chip.js";

const ACTIONS = [
  ["pause", "Pause", "pause"],
  ["resume", "Resume", "resume"],
  ["stop", "Stop", "stop"],
];

const header = (run) => html`
  <header class="run-head">
    <nav class="crumbs" aria-label="Breadcrumb"><a href="${paths.runs}" data-to-list data-testid="to-list">Runs</a><span aria-hidden="true">/</span>
      <code>${run.id}</code></nav>
    <div class="run-head__row">
      <div class="run-head__title"><span class="swatch swatch--large" aria-hidden="true" data-ref="swatch"></span>
        <h1 data-ref="name" data-testid="run-name"></h1>
        <span data-ref="status" role="status"></span><span data-ref="arm"></span></div>
      <div class="button-row run-head__actions">
        ${ACTIONS.map(
          ([action, label, shape]) => html`<button type="button" class="button" data-action="${action}"
          data-testid="${action}">${icon(shape)}<span>${label}</span></button>`,
        )}
        <button type="button" class="button" data-action="edit" data-testid="edit"
          >${icon("edit")}<span>Edit</span></button>
        <a class="button" href="${paths.clone(run.id)}" data-testid="clone">${icon("copy")}<span>Clone</span></a>
        <a class="button" href="${addresses.metricsCsv(run.id)}" download="${run.id}.csv" data-testid="download-csv"
          >${icon("download")}<span>CSV</span></a>
        <button type="button" class="button button--quiet-danger" data-action="delete" data-testid="delete"
          >${icon("trash")}<span>Delete</span></button>
      </div>
    </div>
    <p class="run-head__meta" data-ref="meta"></p>
    <p class="run-head__notes" data-ref="notes" hidden></p>
    <ul class="callouts" data-ref="callouts" role="status"></ul>
    <div class="run-head__progress" data-ref="progress"></div>
    <dl class="tiles" data-ref="tiles"></dl>
  </header>`;

const whole = (value) => value && Math.round(value);

/** The mean over an epoch, which is not whole while it is trained. */
function lossNote({ results, progress }) {
  if (typeof results.train_loss !== "number") return "last report";
  const isWhole = Number.isInteger(progress.epoch);
  return isWhole ? "last epoch" : `epoch ${Math.floor(progress.epoch) + 1} so far`;
}

/** What a run that trains does at the moment stands beside the median. */
const speedNote = (run) => (isLive(run) ? `median, now ${number(whole(run.latest.images_per_second))}` : "median");

const TILES = [
  [
    "Best top-1",
    (run) => percent(run.best?.["val/top1"]),
    (run) => (run.best ? `epoch ${epochs(run.best.epoch)}` : ""),
  ],
  ["Last top-1", (run) => percent(run.latest["val/top1"]), () => "validation"],
  ["Training loss", (run) => number(run.results.train_loss ?? run.latest["train/loss"]), lossNote],
  ["Images per second", (run) => number(whole(run.results.images_per_second)), speedNote],
  ["Training time", (run) => trainingTime(run.elapsed_seconds), (run) => (run.threads ? `${run.threads} threads` : "")],
];
const SD_TILE = ["Compute", (run) => share(run.results.compute, 1), () => "of the full network"];

const tile = ([label]) => html`<div class="tile"><dt>${label}</dt><dd><span></span><small></small></dd></div>`;

/** The head of a run's page. `node` emits "asked" {action}. */
export function createRunHeader(run) {
  const node = element(header(run));
  const places = refs(node);
  const status = createStatusChip();
  const progress = createProgress();
  const tiles = run.config.sd ? [...TILES, SD_TILE] : TILES;
  const buttons = [...node.querySelectorAll("button[data-action]")];
  places.status.append(status.node);
  places.progress.append(progress.node);
  fill(places.tiles, html`${tiles.map(tile)}`);
  places.swatch.style.background = colourOf(run);
  fill(places.arm, relation(run));
  node.addEventListener("click", (event) => {
    const pressed = event.target.closest("button[data-action]");
    if (pressed) node.dispatchEvent(new CustomEvent("asked", { detail: { action: pressed.dataset.action } }));
  });
  let said = null;
  return {
    node,
    update(next) {
      setText(places.name, next.name);
      status.update(next.status);
      progress.update(next);
      showActions(buttons, next);
      tiles.forEach((one, index) => showTile(places.tiles.children[index], one, next));
      const words = JSON.stringify([noteOf(next), next.warnings, next.tags, next.notes, next.worker, next.device]);
      if (words !== said) showWords(places, next);
      said = words;
    },
  };
}

function showTile(node, [, value, note], run) {
  setText(node.querySelector("span"), value(run));
  setText(node.querySelector("small"), note(run));
}

function showActions(buttons, run) {
  const active = document.activeElement;
  for (const button of buttons) {
    if (button.dataset.action !== "edit") button.hidden = !allows(run, button.dataset.action);
  }
  if (active?.hidden && buttons.includes(active)) buttons.find((button) => !button.hidden)?.focus();
}

function relation(run) {
  if (!run.comparison_id) return html``;
  return html`${armChip(run.arm)}<a class="chip chip--link" href="${paths.comparison(run.comparison_id)}"
    data-testid="to-comparison">${icon("compare")}Comparison</a>`;
}

const tag = (text) => html`<a class="chip" href="${paths.runs}?q=${encodeURIComponent(text)}">${text}</a>`;

function showWords(places, run) {
  const facts = [
    keySettings(run.config),
    run.parameters && `${number(run.parameters)} parameters`,
    run.blocks && `${run.blocks} blocks`,
    run.worker && `on ${run.worker}`,
  ]
    .filter(Boolean)
    .join(" · ");
  fill(
    places.meta,
    html`<span>${facts}</span><time datetime="${run.created_at}"
    title="${localTime(run.created_at)} (${utcTime(run.created_at)})">launched ${ago(run.created_at)}</time>
    ${run.tags.map(tag)}`,
  );
  setText(places.notes, run.notes);
  places.notes.hidden = !run.notes;
  fill(
    places.callouts,
    html`${calloutsOf(run).map(
      ([kind, text]) =>
        html`<li class="callout callout--${kind}">${icon(
          kind === "info" ? "info" : "warning",
        )}<span>${text}</span></li>`,
    )}`,
  );
  setAttribute(places.callouts, "hidden", calloutsOf(run).length ? null : "");
}

const AFTER_FAILURE =
  "Resume trains on from the last checkpoint, or from the beginning where there is none, with the same settings. Clone " +
  "begins a new run, whose settings can be changed.";

function calloutsOf(run) {
  const note = noteOf(run);
  const kind = run.status === "failed" ? "error" : "info";
  const said = note ? [[kind, note[0].toUpperCase() + note.slice(1)]] : [];
  if (run.status === "failed") said.push(["info", AFTER_FAILURE]);
  return [...said, ...(run.warnings ?? []).map((text) => ["warning", text])];
}
