import { liveCurves } from "../curve-loader.js";
import { AXES_OF_A_RUN } from "../curves.js";
import { element, html, refs, setText } from "../html.js";
import { chartView, createChartControls } from "./chart-controls.js";
import { createDataAge } from "./data-age.js";

const section = () => html`
  <section aria-labelledby="curves-title">
    <h2 id="curves-title" class="visually-hidden">Curves</h2>
    <div class="chart-bar" data-ref="bar"></div>
    <p class="hint" role="status" data-ref="rewound" data-testid="rewound"></p>
    <div data-ref="charts"></div>
  </section>`;

/**
 * Live charts with their controls and the age of their data. `current()` gives the runs as they are now, and
 * `createCharts({stores, view, app})` the charts, {node, draw, showLegends}, from a CurveStore for each of `ids`.
 */
export function createCurvesSection({ ids, current, createCharts, axes = AXES_OF_A_RUN }, app) {
  const node = element(section());
  const { bar, rewound, charts: place } = refs(node);
  const view = chartView(new URLSearchParams(location.search), axes);
  const { stores, setAxis } = liveCurves(ids, app, view.axis);
  const charts = createCharts({ stores, view, app });
  const controls = createChartControls(view, axes, app);
  const age = createDataAge({ ...app, current: () => newestOf(current()) });
  bar.append(controls.node, age.node);
  place.append(charts.node);
  controls.node.addEventListener("changed", ({ detail }) => (detail.axisChanged ? setAxis(view.axis) : charts.draw()));
  for (const store of stores.values()) {
    store.addEventListener("changed", () => {
      charts.draw();
      if (store.rewoundTo !== null) setText(rewound, rewoundText(store));
    });
  }
  app.runs.addEventListener(
    "changed",
    ({ detail }) => (!detail.id || ids.includes(detail.id)) && charts.showLegends(),
    { signal: app.signal },
  );
  charts.draw();
  return { node, draw: charts.draw, showAge: age.show };
}

/**
 * The age shown for several runs is that of the one heard of last. It counts from when the service took the last point
 * in: the point's own time is by the clock of the machine that trains.
 */
function newestOf(runs) {
  const aged = runs.map((run) => ({ run, at: run.last_point_at }));
  return aged.sort((one, other) => Date.parse(other.at ?? 0) - Date.parse(one.at ?? 0))[0] ?? { run: null, at: null };
}

function rewoundText({ rewoundTo }) {
  return `The curve was rewound to step ${rewoundTo}: training went on from a checkpoint there.`;
}
