import { element, fill, html, refs, setAttribute, setText } from "../html.js";
import { swatch } from "./swatch.js";

const card = ({ key, title }) => html`
  <figure class="chart" data-testid="chart-${key}" aria-labelledby="chart-${key}-title">
    <figcaption class="chart__head">
      <h3 id="chart-${key}-title">${title}</h3>
      <ul class="legend" data-ref="legend"></ul>
      <button type="button" class="chart__reset" data-ref="reset" aria-label="Reset the zoom of ${title}"
        >Reset zoom</button>
    </figcaption>
    <div class="chart__plot" role="group" data-ref="plot"></div>
    <p class="chart__empty" data-ref="empty">No points yet</p>
  </figure>`;

const entry = ({ label, title, colour, pattern }) => html`
  <li title="${title ?? label}">${swatch({ colour, pattern }, "swatch--line")}<span>${label}</span>
    <span class="legend__value"></span></li>`;

/**
 * One chart with its legend, which shows only values where `isCompact`, and all of its lines at once where `isWhole`.
 * `draw(build)` as of plot.js; `showLegend` takes [{label, title, colour, pattern, value}] and what is said of them all.
 */
export function createChartCard({ key, title, isCompact, isWhole }, { plots, signal }) {
  const node = element(card({ key, title }));
  const { legend, reset, plot, empty } = refs(node);
  legend.classList.toggle("legend--compact", Boolean(isCompact));
  legend.classList.toggle("legend--whole", Boolean(isWhole));
  let shown = "";
  const chart = plots.chart(plot, {
    name: key,
    signal,
    onZoom: (isZoomed) => node.classList.toggle("chart--zoomed", isZoomed),
    onFailure: (error) => setText(empty, error.message),
  });
  reset.addEventListener("click", () => chart.resetZoom());

  function showLegend(entries, note = "") {
    const lines = entries.map(({ label, title, colour, pattern }) => [label, title, colour, pattern]);
    const drawn = JSON.stringify([lines, note]);
    if (drawn !== shown) fill(legend, html`${entries.map(entry)}${note ? html`<li class="legend__note">${note}</li>` : ""}`);
    shown = drawn;
    entries.forEach(({ value }, index) => setText(legend.children[index].lastElementChild, value));
    setAttribute(
      plot,
      "aria-label",
      `${title}: ${[...entries.map(({ label, value }) => `${label} ${value ?? ""}`), ...(note ? [note] : [])].join(", ")}`,
    );
  }

  return {
    node,
    showLegend,
    draw(build, { hasPoints }) {
      node.classList.toggle("chart--empty", !hasPoints);
      if (hasPoints) chart.draw(build);
    },
  };
}
