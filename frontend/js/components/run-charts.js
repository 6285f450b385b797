import { AXES } from "../curves.js";
import { CHARTS, axisOf, curve, otherCharts, told } from "../charts.js";
import { element, html } from "../html.js";
import { CURVE_COLOURS } from "../palette.js";
import { createChartCard } from "./chart-card.js";

/**
 * All charts of one run. `view` is {axis, smoothing, isLog}; call `draw` when it or the curves change, `showLegends` when
 * the run does.
 */
export function createRunCharts({ store, view, app }) {
  const node = element(html`<div class="charts" data-testid="charts"></div>`);
  const cards = new Map();

  function cardOf(chart) {
    if (!cards.has(chart.key)) {
      cards.set(chart.key, createChartCard(chart, app));
      node.append(cards.get(chart.key).node);
    }
    return cards.get(chart.key);
  }

  const shown = () =>
    [...CHARTS, ...otherCharts([...store.series.keys()])].filter((chart) => !chart.isOptional || isPresent(chart));
  const isPresent = (chart) => chart.metrics.some(([name]) => store.series.has(name));

  function showLegend(chart) {
    cardOf(chart).showLegend(
      chart.metrics.map(([name, label, place]) => ({
        label,
        colour: CURVE_COLOURS[place],
        value: told(store.series.get(name), chart, [app.runs.get(store.runId)], view),
      })),
    );
  }

  function drawChart(chart) {
    showLegend(chart);
    cardOf(chart).draw(() => figure({ store, view, chart }), { hasPoints: isPresent(chart) });
  }

  return { node, draw: () => shown().forEach(drawChart), showLegends: () => shown().forEach(showLegend) };
}

function figure({ store, view, chart }) {
  const present = chart.metrics.filter(([name]) => store.series.has(name));
  const axis = axisOf(
    present.map(([name]) => store.series.get(name)),
    store.axis,
    AXES[store.axis].title,
  );
  const curves = present.map(([name, label, place]) =>
    curve({
      label,
      colour: CURVE_COLOURS[place],
      series: store.series.get(name),
      view,
      chart,
      scale: axis.scale,
    }),
  );
  return {
    ...axis,
    curves,
    yTitle: chart.yTitle,
    rangeMode: chart.rangeMode,
    isLog: Boolean(chart.hasLog && view.isLog),
    newest: isOn(chart, store.newest) ? [{ run_id: store.runId, ...store.newest }] : [],
  };
}

/** Does the newest point carry a metric of this chart? Otherwise its paint here says nothing about its age. */
function isOn(chart, newest) {
  return Boolean(newest) && chart.metrics.some(([name]) => newest.names.includes(name));
}
