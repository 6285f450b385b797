import { addresses } from "../api.js";
import { ago, bytes, epochs, localTime, utcTime } from "../format.js";
import { html } from "../html.js";
import { icon } from "../icons.js";

const time = (at) => html`<time datetime="${at}" title="${localTime(at)} (${utcTime(at)})">${ago(at)}</time>`;

/** How the kinds of events that change no status are called. */
const KINDS = { wish: "asked to" };

const change = (event) => {
  if (!event.to) return html`<span class="history__kind">${KINDS[event.kind] ?? event.kind}</span>`;
  return html`<span class="status" data-status="${event.to}"><span class="status__dot" aria-hidden="true"></span
    ><span>${event.to}</span></span>`;
};

const historyLine = (event) => html`
  <li>${change(event)}<span class="history__text">${event.text}${
    event.attempt > 1 ? html` <span class="unit">attempt ${event.attempt}</span>` : ""
  }</span>${time(event.at)}</li>`;

/** The history of a run, newest first as it comes. */
export function history(events, { isWhole }) {
  if (!events.length) return html`<p class="hint">Nothing has happened yet.</p>`;
  const rest = isWhole ? "" : html`<p class="hint">The newest ${events.length}; the interface has all of them.</p>`;
  return html`<ol class="history" data-testid="history">${events.map(historyLine)}</ol>${rest}`;
}

const checkpointLine = (runId) => (checkpoint) => html`
  <li><span>Step ${checkpoint.step}<span class="unit"> epoch ${epochs(checkpoint.epoch)}</span>${
    checkpoint.best ? html` <span class="chip chip--good">best</span>` : ""
  }</span>
    <span class="unit">${bytes(checkpoint.size_bytes)}</span>${time(checkpoint.created_at)}
    <a class="icon-button" href="${addresses.checkpointFile(runId, checkpoint.id)}" download
      aria-label="Download the checkpoint of step ${checkpoint.step}" title="Download; SHA-256 ${checkpoint.sha256}"
      >${icon("download")}</a></li>`;

export function checkpoints(runId, items, { isOver }) {
  if (!items.length) {
    return isOver
      ? html`<p class="hint">None: the run ended before one was written.</p>`
      : html`<p class="hint">None yet: one is written after each epoch and at a pause.</p>`;
  }
  const newestFirst = [...items].sort((a, b) => b.step - a.step);
  return html`<ul class="checkpoints" data-testid="checkpoints">${newestFirst.map(checkpointLine(runId))}</ul>`;
}
