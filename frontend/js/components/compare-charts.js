import { AXES } from "../curves.js";
import { COMPARED, axisOf, curve, told } from "../charts.js";
import { element, html } from "../html.js";
import { MOST_COLOURS } from "../palette.js";
import { createChartCard } from "./chart-card.js";

/**
 * Curves of several runs overlaid, one chart for each metric. `members()` gives [{run, line, label}] of the runs to draw,
 * `stores` their CurveStores.
 */
export function createCompareCharts({ members, stores, view, app }) {
  const node = element(html`<div class="charts" data-testid="charts"></div>`);
  const cards = new Map();

  const drawn = (chart) =>
    members()
      .map(({ run, line, label }) => ({
        run,
        line,
        label,
        store: stores.get(run.id),
        series: stores.get(run.id)?.series.get(chart.metric),
      }))
      .filter(({ series }) => series);

  function drawChart(chart) {
    const present = drawn(chart);
    if (chart.isOptional && !present.length && !cards.has(chart.key)) return;
    if (!cards.has(chart.key)) {
      cards.set(chart.key, createChartCard({ ...chart, isCompact: true }, app));
      node.append(cards.get(chart.key).node);
    }
    showLegend(chart, present);
    cards.get(chart.key).draw(() => figure({ present: drawn(chart), view, chart }), { hasPoints: present.length > 0 });
  }

  function showLegend(chart, present = drawn(chart)) {
    cards.get(chart.key)?.showLegend(
      present.map(({ run, line, label, series }) => ({
        label,
        title: run.name,
        ...line,
        value: told(series, chart, run, view),
      })),
    );
  }

  return {
    node,
    draw: () => COMPARED.forEach(drawChart),
    showLegends: () => COMPARED.forEach((chart) => showLegend(chart)),
  };
}

function figure({ present, view, chart }) {
  // While another axis is being fetched, some stores may still hold the old one; they wait for their turn.
  const ready = present.filter(({ store }) => store.axis === view.axis);
  const axis = axisOf(
    ready.map(({ series }) => series),
    view.axis,
    AXES[view.axis].title,
  );
  return {
    ...axis,
    curves: ready.map(({ line, label, series }) =>
      curve({
        label,
        ...line,
        series,
        view,
        chart,
        scale: axis.scale,
      }),
    ),
    isCrowded: ready.length > MOST_COLOURS,
    yTitle: chart.yTitle,
    rangeMode: chart.rangeMode,
    isLog: Boolean(chart.hasLog && view.isLog),
    newest: ready
      .filter(({ store }) => store.newest?.names.includes(chart.metric))
      .map(({ run, store }) => ({ run_id: run.id, ...store.newest })),
  };
}
