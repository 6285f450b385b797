import { AXES } from "../curves.js";
import { element, html, refs, setText } from "../html.js";

const axis = (value) => html`
  <label><input type="radio" name="axis" value="${value}" data-testid="axis-${value}"><span>${AXES[value].label}</span></label>`;

const controls = (axes) => html`
  <div class="chart-controls" role="group" aria-label="How the curves are drawn">
    <div class="segmented" role="radiogroup" aria-label="Horizontal axis" data-ref="axis"
      >${axes.map(axis)}</div>
    <label class="slider"><span>Smoothing</span>
      <input type="range" min="0" max="0.98" step="0.02" data-ref="smoothing" data-testid="smoothing">
      <output data-ref="smoothingValue"></output></label>
    <label class="toggle"><input type="checkbox" role="switch" class="switch" data-ref="log" data-testid="log-scale">
      <span>Log loss</span></label>
  </div>`;

/** The view that the address asks for, on one of `axes`: {axis, smoothing, isLog}. */
export function chartView(query, axes) {
  const smoothing = Number(query.get("smooth"));
  return {
    axis: axes.includes(query.get("x")) ? query.get("x") : "step",
    smoothing: smoothing > 0 && smoothing < 1 ? smoothing : 0,
    isLog: query.get("log") === "1",
  };
}

/** Axis, smoothing and scale; kept in the address. `node` emits "changed" {axisChanged} after `view` has changed. */
export function createChartControls(view, axes, { router }) {
  const node = element(controls(axes));
  const places = refs(node);
  const emit = (axisChanged) => {
    setText(places.smoothingValue, view.smoothing ? view.smoothing.toFixed(2) : "off");
    router.setQuery({
      x: view.axis === "step" ? null : view.axis,
      smooth: view.smoothing || null,
      log: view.isLog ? "1" : null,
    });
    node.dispatchEvent(new CustomEvent("changed", { detail: { axisChanged } }));
  };
  places.axis.querySelector(`[value=${view.axis}]`).checked = true;
  places.smoothing.value = view.smoothing;
  places.log.checked = view.isLog;
  setText(places.smoothingValue, view.smoothing ? view.smoothing.toFixed(2) : "off");
  places.axis.addEventListener("change", (event) => {
    view.axis = event.target.value;
    emit(true);
  });
  places.smoothing.addEventListener("input", () => {
    view.smoothing = Number(places.smoothing.value);
    emit(false);
  });
  places.log.addEventListener("change", () => {
    view.isLog = places.log.checked;
    emit(false);
  });
  return { node };
}
