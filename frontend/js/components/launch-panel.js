import { setting } from "../format.js";
import { element, fill, html, refs, setAttribute, setText } from "../html.js";
import { icon } from "../icons.js";

const panel = () => html`
  <div class="panel launch-panel">
    <h2 class="section-title">Check</h2>
    <div role="status" aria-live="polite" class="launch-panel__verdict" data-ref="verdict"
      data-testid="check-verdict"></div>
    <p class="launch-panel__headline" data-ref="headline" data-testid="preview-headline" hidden></p>
    <button type="submit" class="button button--primary button--large" data-ref="submit" data-testid="launch"></button>
    <details class="launch-panel__more" data-ref="more" open><summary data-ref="moreLabel"
      data-testid="check-details"></summary>
      <ul class="callouts" data-ref="warnings" data-testid="warnings"></ul>
      <dl class="facts" data-ref="facts" data-testid="derived"></dl>
      <div class="preview" data-ref="preview" data-testid="preview" hidden></div></details>
  </div>`;

/** Where the panel stands below the form, the details are closed until they are asked for: they would cover it. */
const NARROW = "(max-width: 960px)";

const fact = ([name, value]) => html`
  <div><dt>${name.replaceAll("_", " ")}</dt><dd>${setting(value)}</dd></div>`;
const callout = (kind) => (text) =>
  html`<li class="callout callout--${kind}">${icon("warning")}<span>${text}</span></li>`;

const reachRow = ({ seeds, half_width: half, detectable }) => html`
  <tr><th scope="row">${seeds}</th><td>${half === null ? "–" : `±${amount(half)}`}</td>
    <td>${detectable === null ? "–" : amount(detectable)}</td></tr>`;

const reachTable = (reach) => html`
  <details class="preview__more"><summary>Other numbers of seeds</summary>
    <p class="hint">The half-width of the interval, and the true difference that 4 of 5 studies would find.</p>
    <table class="matrix"><thead><tr><th scope="col">Seeds</th><th scope="col">Interval</th>
      <th scope="col">Detectable difference</th></tr></thead><tbody>${reach.map(reachRow)}</tbody></table></details>`;

const amount = (value) => (value >= 0.01 ? value.toFixed(2) : value.toPrecision(2));

/** What a comparison would take and could show, in the service's words. */
const previewed = ({ notes, reach }) => html`
  ${notes.map((text) => html`<p class="hint">${text}</p>`)}
  ${reach.length ? reachTable(reach) : ""}`;

const runsOf = ({ runs, most_runs: most }) => (most > runs ? `${runs}, at most ${most}` : runs);

/** "2 warnings and details", so that a closed list hides none of them. */
function detailsLabel(count) {
  return count ? `${count} warning${count === 1 ? "" : "s"} and details` : "Details";
}

/** What the service thinks of the form, and the button that launches. */
export function createLaunchPanel({ signal }) {
  const node = element(panel());
  const { verdict, facts, warnings, submit, preview, headline, more, moreLabel } = refs(node);
  const narrow = window.matchMedia(NARROW);
  let isBusy = false;
  const fold = () => (more.open = !narrow.matches);
  narrow.addEventListener("change", fold, { signal });
  fold();
  const label = () => {
    setText(moreLabel, detailsLabel(warnings.children.length));
    more.classList.toggle("launch-panel__more--warns", warnings.children.length > 0);
  };
  label();
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
    showAsking({ isChanged }) {
      say("asking", "Checking");
      if (!isChanged) return;
      for (const value of facts.querySelectorAll("dd")) setText(value, "…");
      preview.classList.add("preview--old");
      headline.classList.add("preview--old");
      warnings.replaceChildren();
      label();
    },
    /** Of one run the check, of a comparison its preview. */
    showAnswer(answer) {
      const { derived, warnings: found } = answer;
      const isPreview = "runs" in answer;
      say("good", "These settings fit together.");
      const own = isPreview ? [["runs", runsOf(answer)]] : [];
      const known = Object.entries(derived).filter(([, value]) => value !== null);
      fill(facts, html`${[...own, ...known].map(fact)}`);
      fill(warnings, html`${found.map(callout("warning"))}`);
      if (isPreview) fill(preview, previewed(answer));
      for (const part of [preview, headline]) {
        part.classList.remove("preview--old");
        part.hidden = !isPreview;
      }
      setText(headline, answer.headline);
      label();
    },
    /** `loose` are the sentences that have no field to stand beside, `fields` the labels of the fields at fault. */
    showProblem(error, loose, fields) {
      const count = Object.keys(error.errors ?? {}).length;
      const which = fields.length ? `: ${fields.join(", ")}` : "";
      say("bad", count ? `${count} field${count > 1 ? "s need" : " needs"} a change${which}.` : error.message);
      facts.replaceChildren();
      preview.hidden = headline.hidden = true;
      fill(warnings, html`${loose.map(callout("error"))}`);
      label();
      if (loose.length) more.open = true;
    },
    focus: () => submit.focus(),
  };
}
