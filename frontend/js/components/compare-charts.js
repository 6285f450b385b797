import { meanOf } from "../arm-curves.js";
import { AXES, onAxis } from "../curves.js";
import { COMPARED, axisOf, curve, seedWords, seedsTold, told } from "../charts.js";
import { element, html } from "../html.js";
import { MOST_COLOURS } from "../palette.js";
import { createChartCard } from "./chart-card.js";

/**
 * Curves of several runs overlaid, one chart for each metric. `members()` gives the lines to draw, [{runs, line, label}]:
 * of one run its curve, of several the mean over them with a band from the lowest to the highest. `stores` has the
 * CurveStores by run; `isByArm` says that each line is an arm's.
 */
export function createCompareCharts({ members, stores, view, app, isByArm = false }) {
  const node = element(html`<div class="charts" data-testid="charts"></div>`);
  const cards = new Map();

  const drawn = (chart) =>
    members()
      .map((member) => ({ ...member, stores: member.runs.map((run) => stores.get(run.id)).filter(Boolean) }))
      .map((member) => ({ ...member, series: seriesOf(member, chart.metric) }))
      .filter(({ series }) => series);

  function drawChart(chart) {
    const present = drawn(chart);
    if (chart.isOptional && !present.length && !cards.has(chart.key)) return;
    if (!cards.has(chart.key)) {
      cards.set(chart.key, createChartCard({ ...chart, isCompact: !isByArm, isWhole: isByArm }, app));
      node.append(cards.get(chart.key).node);
    }
    showLegend(chart, present);
    cards.get(chart.key).draw(() => figure({ present: drawn(chart), view, chart }), { hasPoints: present.length > 0 });
  }

  function showLegend(chart, present = drawn(chart)) {
    const values = present.map(({ runs, series }) => told(series, chart, runs, view));
    const counts = isByArm ? present.map(({ runs, series }) => seedsTold(series, chart, runs)) : [];
    const { note, each } = seedWords(counts);
    cards.get(chart.key)?.showLegend(
      present.map(({ runs, line, label }, at) => ({
        label,
        title: isByArm ? label : runs[0].name,
        ...line,
        value: values[at] && `${values[at]}${each[at] ?? ""}`,
      })),
      note,
    );
  }

  return {
    node,
    draw: () => COMPARED.forEach(drawChart),
    showLegends: () => COMPARED.forEach((chart) => showLegend(chart)),
  };
}

/** Each run has a store, or none of them is there yet. */
function seriesOf({ runs, stores }, metric) {
  const found = stores
    .map((store, index) => onAxis(store.series.get(metric), store.axis, runs[index]))
    .filter(Boolean);
  return stores.length === 1 ? found[0] : meanOf(found);
}

function figure({ present, view, chart }) {
  // While another axis is being fetched, some stores may still hold the old one; they wait for their turn.
  const ready = present.filter(({ stores }) => stores.every((store) => store.axis === view.axis));
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
    newest: ready.flatMap(({ stores }) =>
      stores
        .filter((store) => store.newest?.names.includes(chart.metric))
        .map((store) => ({ run_id: store.runId, ...store.newest })),
    ),
  };
}
