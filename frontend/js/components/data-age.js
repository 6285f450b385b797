import { serverNow } from "../clock.js";
import { duration } from "../format.js";
import { element, html, refs, setAttribute, setText } from "../html.js";
import { isLive } from "../status.js";

const EVERY_MS = 500;
const STALE_S = 20;

/** "Last point 0.4 s ago", with a warning where a running run has been silent for long. */
export function createDataAge({ live, signal, current }) {
  const node = element(html`
    <p class="data-age" data-testid="data-age"><span class="data-age__dot" aria-hidden="true"></span>
      <span data-ref="text"></span></p>`);
  const { text } = refs(node);
  const show = () => {
    const { run, at } = current();
    const state = stateOf({ run, at, live });
    setAttribute(node, "data-state", state.name);
    setText(text, state.text);
  };
  const timer = setInterval(show, EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  return { node, show };
}

function stateOf({ run, at, live }) {
  if (!at) return { name: "none", text: run && isLive(run) ? "Waiting for the first point" : "No points" };
  const seconds = Math.max(0, (serverNow() - Date.parse(at)) / 1000);
  const text = `Last point ${duration(seconds)} ago`;
  if (!run || !isLive(run)) return { name: "still", text };
  if (live.state === "lost") return { name: "stale", text: `${text}, connection lost` };
  // A run that starts or pauses reports nothing, and an evaluation of many images takes its time.
  const isLate = run.status === "running" && seconds > STALE_S;
  return isLate ? { name: "stale", text: `${text}, no newer one yet` } : { name: "fresh", text };
}
