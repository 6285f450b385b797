import { CurveStore } from "./curves.js";

const POINTS_AT_MOST = 6000;
const POINTS_AT_LEAST = 400;
const POINTS_OF_ONE = 2000;

/**
 * The curves of some runs, loaded and kept live until `signal` aborts. Each store
 * dispatches "changed" when its curve is there, and again with every live event.
 */
export function liveCurves(runIds, { api, live, toasts, signal }, axis) {
  const points = Math.max(POINTS_AT_LEAST, Math.min(POINTS_OF_ONE, Math.round(POINTS_AT_MOST / runIds.length)));
  const stores = new Map(
    runIds.map((id) => [
      id,
      new CurveStore({
        runId: id,
        fetch: ({ x }) => api.metrics(id, { x, max_points: points }, signal),
      }),
    ]),
  );
  const accept = ({ detail }) => stores.get(detail.data.run_id)?.accept(detail);
  const load = (on) =>
    Promise.all([...stores.values()].map((store) => store.load(on))).catch((error) => toasts.error(error));
  live.addEventListener("points", accept, { signal });
  live.addEventListener("rewound", accept, { signal });
  live.addEventListener("reset", () => load(), { signal });
  live.watch(runIds, signal).then(() => !signal.aborted && load(axis));
  return { stores, setAxis: load };
}
