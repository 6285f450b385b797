import { setting } from "../format.js";
import { element, fill, html, refs, setAttribute, setText } from "../html.js";
import { icon } from "../icons.js";

const LABELS = { one: "Launch run", pair: "Launch pair" };

const panel = () => html`
  <div class="panel launch-panel">
    <h2 class="section-title">Check</h2>
    <div role="status" aria-live="polite" class="launch-panel__verdict" data-ref="verdict"
      data-testid="check-verdict"></div>
    <dl class="facts" data-ref="facts" data-testid="derived"></dl>
    <ul class="callouts" data-ref="warnings" data-testid="warnings"></ul>
    <button type="submit" class="button button--primary button--large" data-ref="submit" data-testid="launch"></button>
  </div>`;

const fact = ([name, value]) => html`<div><dt>${name.replaceAll("_", " ")}</dt><dd>${setting(value)}</dd></div>`;
const callout = (kind) => (text) =>
  html`<li class="callout callout--${kind}">${icon("warning")}<span>${text}</span></li>`;

/** What the service thinks of the form, and the button that launches. */
export function createLaunchPanel() {
  const node = element(panel());
  const { verdict, facts, warnings, submit } = refs(node);
  let isBusy = false;
  const say = (state, text) => {
    setAttribute(verdict, "data-state", state);
    if (verdict.textContent.trim() !== text)
      fill(verdict, html`${icon(state === "good" ? "check" : "warning")}<span>${text}</span>`);
  };
  return {
    node,
    get isBusy() {
      return isBusy;
    },
    setKind: (kind) => setText(submit, LABELS[kind]),
    setBusy(next) {
      isBusy = next;
      setAttribute(submit, "aria-busy", next ? "true" : null);
    },
    showAnswer({ derived, warnings: found }) {
      say("good", "These settings fit together.");
      fill(
        facts,
        html`${Object.entries(derived)
          .filter(([, value]) => value !== null)
          .map(fact)}`,
      );
      fill(warnings, html`${found.map(callout("warning"))}`);
    },
    /** `loose` are the sentences that have no field to stand beside. */
    showProblem(error, loose) {
      const count = Object.keys(error.errors ?? {}).length;
      say("bad", count ? `${count} setting${count > 1 ? "s need" : " needs"} a change.` : error.message);
      fill(warnings, html`${loose.map(callout("error"))}`);
    },
    focus: () => submit.focus(),
  };
}
