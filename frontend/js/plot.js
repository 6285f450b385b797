import { chartTheme } from "./chart-theme.js";

// Redraws are at most this often; a chart that takes long to draw leaves the page half of its time, but is never kept
// waiting for so long that its points grow old.
const PAUSE_MS = 200;
const PAUSE_AT_MOST_MS = 800;
const SHARE_OF_TIME = 2;
const UNSEEN_FIRST_MS = 700;
const UNSEEN_PAUSE_MS = 5000;
const RETRY_MS = 5000;
const MARKERS_BELOW = 40;
/** Pixels below which a chart has no room for long lines. */
const NARROW = 440;

// The buttons are those that stand here, whatever a later Plotly adds: nothing of a chart may leave the service.
const CONFIG = {
  displaylogo: false,
  responsive: false,
  scrollZoom: false,
  modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["resetScale2d"]],
  showSendToCloud: false,
  plotlyServerURL: "",
  // Of maps, which no chart here is.
  topojsonURL: "none",
};

const LIBRARY = new URL("../vendor/plotly-basic-4.1.1.min.js", import.meta.url);

function load() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = LIBRARY;
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => {
      script.remove();
      reject(new Error("The charting library could not be loaded."));
    });
    document.head.append(script);
  });
}

/** Makes charts. */
export class Plots {
  #library = null;

  /** Plotly, loaded when the first chart needs it; a failed load is tried again at the next call. */
  library() {
    this.#library ??= load().catch((error) => {
      this.#library = null;
      throw error;
    });
    return this.#library;
  }

  /** See Chart. */
  chart(node, options) {
    return new Chart(node, { ...options, library: () => this.library() });
  }
}

/**
 * One chart in `node`. `draw(build)` asks for a redraw; `build()` is called when it happens and returns a figure
 * {curves: [{label, colour, dash, x, values, raw, band}], isCrowded, xTitle, xKey, xFormat, yTitle, isLog, rangeMode, newest: [{run_id, step, at}]}.
 * The first new data are drawn at once, later ones at most five times a second, and none while nobody can see them.
 * After a paint that shows newer points, "resdrop:painted" is dispatched on the document for each of `newest`.
 */
class Chart {
  #node;
  #name;
  #library;
  #build = null;
  #isDirty = false;
  #isBusy = false;
  #isSeen = false;
  #isGone = false;
  #earliest = 0;
  #unseenDue = performance.now() + UNSEEN_FIRST_MS;
  #timer = null;
  #painted = new Map();

  constructor(node, { name, library, signal, onZoom, onFailure }) {
    this.#node = node;
    this.#name = name;
    this.#library = library;
    this.#watchSize(signal);
    document.addEventListener("visibilitychange", () => this.#schedule(), { signal });
    document.addEventListener("resdrop:theme", () => this.draw(), { signal });
    signal.addEventListener("abort", () => this.#destroy());
    this.onZoom = onZoom;
    this.onFailure = onFailure;
  }

  /** By what the page shows and the chart's own name: two saved charts are told apart. */
  get #fileName() {
    const shown = document.title.split(" · ")[0];
    return `${shown} ${this.#name}`.replaceAll(/[^\p{L}\p{N}._-]+/gu, "-").slice(0, 100);
  }

  draw(build = this.#build) {
    this.#build = build;
    this.#isDirty = Boolean(build);
    this.#schedule();
  }

  resetZoom() {
    window.Plotly?.relayout(this.#node, { "xaxis.autorange": true, "yaxis.autorange": true });
  }

  #watchSize(signal) {
    const seen = new IntersectionObserver(
      (entries) => {
        this.#isSeen = entries.at(-1).isIntersecting;
        this.#schedule();
      },
      { rootMargin: "150px" },
    );
    const sized = new ResizeObserver(() => {
      if (this.#node.classList.contains("js-plotly-plot")) this.draw();
    });
    seen.observe(this.#node);
    sized.observe(this.#node);
    signal.addEventListener("abort", () => (seen.disconnect(), sized.disconnect()));
  }

  #schedule() {
    if (!this.#isDirty || this.#isBusy || document.hidden || this.#isGone) return;
    clearTimeout(this.#timer);
    // A task of its own for each chart, so that several do not block the page in one piece. What is out of sight is
    // drawn after what is in sight, and seldom, so that scrolling meets neither an empty frame nor an old one.
    const due = this.#isSeen ? this.#earliest : this.#unseenDue;
    this.#timer = setTimeout(() => this.#drawNow(), Math.max(0, due - performance.now()));
  }

  async #drawNow() {
    this.#isBusy = true;
    this.#isDirty = false;
    try {
      const plotly = await this.#library();
      if (this.#isGone) return;
      const begun = performance.now();
      const figure = this.#build();
      const { width, height } = this.#node.getBoundingClientRect();
      const isNarrow = width < NARROW;
      await plotly.react(this.#node, traces(figure, { isNarrow }), layout(figure, { width, height }), {
        ...CONFIG,
        toImageButtonOptions: { format: "svg", filename: this.#fileName },
      });
      const pause = SHARE_OF_TIME * (performance.now() - begun);
      this.#earliest = begun + Math.min(PAUSE_AT_MOST_MS, Math.max(PAUSE_MS, pause));
      this.#unseenDue = begun + UNSEEN_PAUSE_MS;
      this.#listen();
      if (this.#isSeen) this.#tellPainted(figure.newest ?? []);
    } catch (error) {
      this.#earliest = this.#unseenDue = performance.now() + RETRY_MS;
      this.onFailure?.(error);
    } finally {
      this.#isBusy = false;
      this.#schedule();
    }
  }

  #listen() {
    if (this.#node.dataset.listens) return;
    this.#node.dataset.listens = "true";
    this.#node.on("plotly_relayout", () => this.onZoom?.(isZoomed(this.#node)));
  }

  #tellPainted(newest) {
    const fresh = newest.filter((point) => point && this.#painted.get(point.run_id) !== `${point.step} ${point.at}`);
    if (!fresh.length) return;
    fresh.forEach((point) => this.#painted.set(point.run_id, `${point.step} ${point.at}`));
    // A task after an animation frame runs when that frame has been handed to the screen.
    requestAnimationFrame(() => setTimeout(() => fresh.forEach((point) => announce(this.#name, point))));
  }

  #destroy() {
    this.#isGone = true;
    clearTimeout(this.#timer);
    if (this.#node.classList.contains("js-plotly-plot")) window.Plotly?.purge(this.#node);
  }
}

function announce(name, { run_id, step, at }) {
  const paintedAt = new Date().toISOString();
  const detail = { run_id, name, step, at, painted_at: paintedAt, latency_ms: Date.parse(paintedAt) - Date.parse(at) };
  document.documentElement.dataset.lastPaint = paintedAt;
  document.dispatchEvent(new CustomEvent("resdrop:painted", { detail }));
}

function isZoomed(node) {
  const { xaxis, yaxis } = node.layout;
  return !(xaxis.autorange && yaxis.autorange);
}

function traces({ curves, isCrowded, xKey }, { isNarrow }) {
  const faint = curves.filter((curve) => curve.raw).map((curve) => trace(curve, curve.raw, { isFaint: true }));
  const bands = curves.filter((curve) => curve.band).flatMap(bandOf);
  const told = { isFaint: false, place: isCrowded ? `${xKey} %{x}: ` : "", isShort: isNarrow && !isCrowded };
  return [...bands, ...faint, ...curves.map((curve) => trace(curve, curve.values, told))];
}

/** From the lowest to the highest; a band of Plotly's has no gaps, so that it ends where one begins. */
function bandOf({ x, band, colour }) {
  const known = x.map((_, at) => at).filter((at) => band.low[at] !== null);
  const edge = (values, more) => ({
    type: "scatter",
    mode: "lines",
    x: known.map((at) => x[at]),
    y: known.map((at) => values[at]),
    line: { width: 0, color: colour },
    hoverinfo: "skip",
    ...more,
  });
  return [edge(band.low, {}), edge(band.high, { fill: "tonexty", fillcolor: `${colour}2e` })];
}

function trace(curve, values, { isFaint, place, isShort }) {
  return {
    type: "scatter",
    mode: values.length < MARKERS_BELOW && !isFaint ? "lines+markers" : "lines",
    name: literal(curve.label),
    // Plotly compares data by reference unless told otherwise; the arrays grow in place, so it is given copies.
    x: curve.x.slice(),
    y: values.slice(),
    line: { color: curve.colour, dash: curve.dash, width: isFaint ? 1 : 1.8, simplify: true },
    marker: { size: 4.5, color: curve.colour },
    opacity: isFaint ? 0.28 : 1,
    hoverinfo: isFaint ? "skip" : undefined,
    customdata: curve.raw && !isFaint ? curve.raw.slice() : undefined,
    hovertemplate: isFaint ? undefined : place + hoverOf(curve, isShort),
    text: curve.band?.low.map((low, at) => rangeOf(low, curve.band.high[at], curve.band.counts?.[at])),
    connectgaps: false,
  };
}

/** Of a smoothed curve both values, by name: what is drawn is not what was reported. */
function hoverOf({ raw, band }, isShort) {
  if (band) return isShort ? "%{y:.4~g}" : "mean %{y:.4~g}%{text}";
  if (!raw) return "%{y:.4~g}";
  return isShort ? "%{y:.4~g}, %{customdata:.4~g}" : "smoothed %{y:.4~g}, raw %{customdata:.4~g}";
}

function rangeOf(low, high, count) {
  const range = low === high ? "" : `, ${shortNumber(low)} to ${shortNumber(high)}`;
  return count ? `${range}, ${count} seed${count === 1 ? "" : "s"}` : range;
}
const shortNumber = (value) => String(Number(value?.toPrecision(4)));

/** Where a list of values is from; on a phone it has the words for which there is no room in each line. */
const hoverTitle = ({ curves, xKey }, isNarrow) =>
  `${xKey} %{x}${isNarrow && curves.some(({ raw }) => raw) ? ": smoothed, raw" : ""}`;

/** Plotly makes elements, links among them, of tags in a text; a name that people gave to a run is shown as it is. */
const literal = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function layout(figure, { width, height }) {
  const { xTitle, xKey, xFormat, yTitle, isLog, isCrowded, rangeMode } = figure;
  const theme = chartTheme();
  return {
    ...theme.layout,
    // All runs at one place are a list that nobody reads where they are many: then the line that is pointed at is named.
    hovermode: isCrowded ? "closest" : theme.layout.hovermode,
    width,
    height,
    // Constant, so that a zoom survives every redraw; an axis that means something else starts anew.
    uirevision: "constant",
    xaxis: {
      ...theme.axis,
      ...theme.xaxis,
      title: { ...theme.axisTitle, text: xTitle },
      hoverformat: xFormat,
      unifiedhovertitle: { text: hoverTitle(figure, width < NARROW) },
      uirevision: xKey,
    },
    yaxis: {
      ...theme.axis,
      title: yTitle ? { ...theme.axisTitle, text: yTitle } : undefined,
      type: isLog ? "log" : "linear",
      uirevision: isLog ? "log" : "linear",
      rangemode: rangeMode ?? "normal",
    },
  };
}
