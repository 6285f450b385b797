import { setting } from "../format.js";
import { element, fill, html, refs, setAttribute, setText } from "../html.js";
import { icon } from "../icons.js";

const panel = () => html`
  <div class="panel launch-panel">
    <h2 class="section-title">Check</h2>
    <div role="status" aria-live="polite" class="launch-panel__verdict" data-ref="verdict"
      data-testid="check-verdict"></div>
    <dl class="facts" data-ref="facts" data-testid="derived"></dl>
    <ul class="callouts" data-ref="warnings" data-testid="warnings"></ul>
    <button type="submit" class="button button--primary button--large" data-ref="submit" data-testid="launch"></button>
  </div>`;

/** Of a pair the check is of one of its runs. */
const NAMES = { one: { steps: "steps" }, pair: { steps: "steps of each run" } };

const fact = (kind) => ([name, value]) => html`
  <div><dt>${NAMES[kind][name] ?? name.replaceAll("_", " ")}</dt><dd>${setting(value)}</dd></div>`;
const callout = (kind) => (text) =>
  html`<li class="callout callout--${kind}">${icon("warning")}<span>${text}</span></li>`;

/** What the service thinks of the form, and the button that launches. */
export function createLaunchPanel() {
  const node = element(panel());
  const { verdict, facts, warnings, submit } = refs(node);
  let isBusy = false;
  const say = (state, text) => {
    setAttribute(verdict, "data-state", state);
    setAttribute(verdict, "aria-busy", state === "asking" ? "true" : null);
    const shape = { good: "check", bad: "warning" }[state];
    if (verdict.textContent.trim() !== text) fill(verdict, html`${shape ? icon(shape) : ""}<span>${text}</span>`);
  };
  return {
    node,
    get isBusy() {
      return isBusy;
    },
    setLabel: (text) => setText(submit, text),
    setBusy(next) {
      isBusy = next;
      setAttribute(submit, "aria-busy", next ? "true" : null);
    },
    /** What was said of other settings is gone at once; the rows keep their place. */
    showAsking({ isConfigChanged }) {
      say("asking", "Checking");
      if (!isConfigChanged) return;
      for (const value of facts.querySelectorAll("dd")) setText(value, "…");
      warnings.replaceChildren();
    },
    showAnswer({ derived, warnings: found }, kind) {
      say("good", "These settings fit together.");
      const known = Object.entries(derived).filter(([, value]) => value !== null);
      fill(facts, html`${known.map(fact(kind))}`);
      fill(warnings, html`${found.map(callout("warning"))}`);
    },
    /** `loose` are the sentences that have no field to stand beside, `fields` the labels of the fields at fault. */
    showProblem(error, loose, fields) {
      const count = Object.keys(error.errors ?? {}).length;
      const which = fields.length ? `: ${fields.join(", ")}` : "";
      say("bad", count ? `${count} field${count > 1 ? "s need" : " needs"} a change${which}.` : error.message);
      facts.replaceChildren();
      fill(warnings, html`${loose.map(callout("error"))}`);
    },
    focus: () => submit.focus(),
  };
}
