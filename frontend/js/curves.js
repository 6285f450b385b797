/** Where a point lies on each axis. */
const POSITION = {
  step: (point) => point.step,
  epoch: (point) => point.epoch,
  time: (point) => point.elapsed_seconds,
};

/**
 * `of` is the axis that the service gives, `factor` what a place on it is multiplied with for a run. Those of comparisons
 * alone say what a result has cost: compute is counted in epochs of the full network.
 */
export const AXES = {
  step: { label: "Step", title: "step", of: "step" },
  epoch: { label: "Epoch", title: "epoch", of: "epoch" },
  time: { label: "Time", title: "seconds of training", of: "time" },
  device: { label: "Device time", of: "time", factor: (run) => run.config.devices ?? 1 },
  compute: {
    label: "Compute",
    title: "epochs of the full network's compute",
    of: "epoch",
    factor: (run) => run.results?.compute ?? 1,
  },
};

export const AXES_OF_A_RUN = ["step", "epoch", "time"];

/** The series with its places where they are on the axis of the page. */
export function onAxis(series, axis, run) {
  const factor = AXES[axis].factor?.(run) ?? 1;
  return factor === 1 || !series ? series : { ...series, x: series.x.map((value) => value * factor) };
}

// Beyond this many live points a series is fetched again, thinned by the service, so that a long watch stays light.
const RELOAD_AT = 6000;

/** The index at which `step` stands or would be put; steps are ascending, and new ones almost always come last. */
function placeOf(steps, step) {
  let at = steps.length;
  while (at > 0 && steps[at - 1] >= step) at -= 1;
  return at;
}

/** Puts one value into a series in order of steps; a step that is there already is replaced, never doubled. */
export function addPoint(series, { step, x, value }) {
  const at = placeOf(series.steps, step);
  const replaced = series.steps[at] === step ? 1 : 0;
  series.steps.splice(at, replaced, step);
  series.x.splice(at, replaced, x);
  series.values.splice(at, replaced, value);
}

/** Drops everything after `step`: an attempt resumed from there, and what an older one drew beyond is void. */
export function rewind(series, step) {
  const end = placeOf(series.steps, step + 1);
  series.steps.length = end;
  series.x.length = end;
  series.values.length = end;
}

const emptySeries = (name) => ({ name, x: [], values: [], steps: [], exact: true });

/**
 * One run's curves on one axis: a snapshot, then the live events after it. Dispatches "changed".
 * Events that arrive while a snapshot is on its way wait for it; those that it contains already are dropped.
 */
export class CurveStore extends EventTarget {
  #fetch;
  #waiting = null;
  #cursor = 0;
  axis = "step";
  series = new Map();
  /** The newest point of all series: {step, at}. */
  newest = null;
  /** The step to which the curve was last rewound while we watched. */
  rewoundTo = null;

  /** `fetch({x})` resolves to the service's answer for this run. */
  constructor({ runId, fetch }) {
    super();
    this.runId = runId;
    this.#fetch = fetch;
  }

  /** Loads the whole curve on `axis`. Has to begin after the live stream watches this run (see Live.watch). */
  async load(axis = this.axis) {
    const waiting = [];
    this.#waiting = waiting;
    try {
      const answer = await this.#fetch({ x: AXES[axis].of });
      if (this.#waiting !== waiting) return;
      this.axis = axis;
      this.#cursor = answer.cursor;
      this.series = new Map(answer.series.map((series) => [series.name, series]));
      waiting.forEach((event) => this.#apply(event));
    } finally {
      if (this.#waiting === waiting) this.#waiting = null;
    }
    this.dispatchEvent(new CustomEvent("changed"));
  }

  /** Takes a "points" or "rewound" event of the live stream, {id, data}. */
  accept(event) {
    if (event.data.run_id !== this.runId) return;
    if (this.#waiting) {
      this.#waiting.push(event);
      return;
    }
    if (!this.#apply(event)) return;
    this.dispatchEvent(new CustomEvent("changed"));
    if ([...this.series.values()].some((series) => series.steps.length > RELOAD_AT)) this.load().catch(() => {});
  }

  values(name) {
    return this.series.get(name)?.values ?? [];
  }

  #apply({ id, data }) {
    if (id && id <= this.#cursor) return false;
    if (data.points) data.points.forEach((point) => this.#add(point));
    else this.#rewind(data.step);
    return true;
  }

  #add(point) {
    const x = POSITION[AXES[this.axis].of](point);
    for (const [name, value] of Object.entries(point.values)) {
      if (!this.series.has(name)) this.series.set(name, emptySeries(name));
      addPoint(this.series.get(name), { step: point.step, x, value });
    }
    this.newest = { step: point.step, at: point.at, names: Object.keys(point.values) };
  }

  #rewind(step) {
    this.series.forEach((series) => rewind(series, step));
    this.rewoundTo = step;
    this.newest = null;
  }
}
