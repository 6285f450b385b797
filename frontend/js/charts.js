import { number, percent, share } from "./format.js";
import { smooth } from "./smoothing.js";

/**
 * What the legend of a chart shows where a single report is the outcome of chance: [field of a run's `results`, the word
 * for it].
 */
const MEDIAN_SPEED = ["images_per_second", "median"];
const MEAN_DEPTH = ["depth", "mean"];
const MEAN_COMPUTE = ["compute", "mean"];

/** The charts of a run: each `metrics` entry is [metric, label, place in CURVE_COLOURS]. */
export const CHARTS = [
  {
    key: "loss",
    title: "Loss",
    metrics: [
      ["train/loss", "train", 0],
      ["val/loss", "validation", 1],
    ],
    hasLog: true,
  },
  {
    key: "accuracy",
    title: "Accuracy",
    yTitle: "%",
    metrics: [
      ["train/top1", "train top-1", 0],
      ["val/top1", "val top-1", 1],
      ["val/top5", "val top-5", 2],
    ],
    format: percent,
  },
  { key: "lr", title: "Learning rate", metrics: [["lr", "learning rate", 5]], isExact: true, rangeMode: "tozero" },
  {
    key: "throughput",
    title: "Images per second",
    metrics: [["images_per_second", "images/s", 7]],
    rangeMode: "tozero",
    result: MEDIAN_SPEED,
  },
  {
    key: "sd-depth",
    title: "Blocks run",
    metrics: [["sd/depth", "blocks", 3]],
    rangeMode: "tozero",
    result: MEAN_DEPTH,
    isOptional: true,
  },
  {
    key: "sd-compute",
    title: "Share of full compute",
    metrics: [["sd/compute", "compute", 8]],
    rangeMode: "tozero",
    format: (value) => share(value, 1),
    result: MEAN_COMPUTE,
    isOptional: true,
  },
];

/** For comparing runs: one chart for each metric, one curve for each run. */
export const COMPARED = [
  { key: "val-top1", title: "Validation top-1", metric: "val/top1", yTitle: "%", format: percent },
  { key: "train-loss", title: "Training loss", metric: "train/loss", hasLog: true },
  { key: "val-loss", title: "Validation loss", metric: "val/loss", hasLog: true },
  { key: "train-top1", title: "Training top-1", metric: "train/top1", yTitle: "%", format: percent },
  {
    key: "throughput",
    title: "Images per second",
    metric: "images_per_second",
    rangeMode: "tozero",
    result: MEDIAN_SPEED,
  },
  { key: "lr", title: "Learning rate", metric: "lr", isExact: true, rangeMode: "tozero" },
  { key: "val-top5", title: "Validation top-5", metric: "val/top5", yTitle: "%", format: percent },
  {
    key: "sd-depth",
    title: "Blocks run",
    metric: "sd/depth",
    rangeMode: "tozero",
    result: MEAN_DEPTH,
    isOptional: true,
  },
  {
    key: "sd-compute",
    title: "Share of full compute",
    metric: "sd/compute",
    rangeMode: "tozero",
    format: (value) => share(value, 1),
    result: MEAN_COMPUTE,
    isOptional: true,
  },
];

const KNOWN = new Set(CHARTS.flatMap((chart) => chart.metrics.map(([name]) => name)));

const slug = (name) => name.replace(/[^a-zA-Z0-9]+/g, "-");

/** Charts for metrics that this page has no special place for (of the GPU, of the host, of later versions). */
export function otherCharts(names) {
  return names
    .filter((name) => !KNOWN.has(name))
    .sort()
    .map((name, index) => ({
      key: slug(name),
      title: name,
      metrics: [[name, name, index % 12]],
      isOptional: true,
      isLast: true,
    }));
}

/** Seconds, minutes or hours, whichever keeps the numbers short: {scale, title}. */
export function timeUnit(seconds) {
  if (seconds < 600) return { scale: 1, title: "seconds of training" };
  if (seconds < 3 * 3600) return { scale: 60, title: "minutes of training" };
  return { scale: 3600, title: "hours of training" };
}

const isKnown = (value) => value !== null && value !== undefined;
const lastOf = (values) => values.findLast(isKnown);

const weightOf = (chart, view) => (chart.isExact ? 0 : view.smoothing);

/**
 * What the legend tells of a series: the newest value, called raw beside a smoothed curve, or what the whole of
 * each of `runs` came to, and of several their mean, where a single report is the outcome of chance.
 */
export function told(series, chart, runs, view) {
  if (!series) return null;
  const show = chart.format ?? number;
  if (!chart.result) {
    const words = [chart.isLast && "last", weightOf(chart, view) && "raw", show(lastOf(series.values))];
    return words.filter(Boolean).join(" ");
  }
  const values = resultsOf(runs, chart);
  if (!values.length) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return `${chart.result[1]} ${show(mean)}`;
}

const resultsOf = (runs, { result: [field] }) =>
  runs.map((run) => run?.results?.[field]).filter((value) => typeof value === "number");

/** Over how many seeds the mean is that `told` tells. */
export function seedsTold(series, chart, runs) {
  if (chart.result) return resultsOf(runs, chart).length;
  return series.counts ? series.counts[series.values.findLastIndex(isKnown)] : 1;
}

const seeds = (count) => `${count} seed${count === 1 ? "" : "s"}`;

/**
 * What a legend says of the seeds behind its means: {note} once where all are over equally many, else {each} beside each
 * of them.
 */
export function seedWords(counts) {
  if (new Set(counts).size > 1) return { note: "", each: counts.map((count) => ` (${seeds(count)})`) };
  return { note: counts.length ? `mean of ${seeds(counts[0])}` : "", each: counts.map(() => "") };
}

/** One curve of a figure, from a series, the view {axis, smoothing} and the chart's definition. */
export function curve({ label, colour, dash, series, view, chart, scale }) {
  const weight = weightOf(chart, view);
  const x = scale === 1 ? series.x : series.x.map((value) => value / scale);
  const values = smooth(series.values, weight);
  const band = series.low ? bandOf(series, weight) : null;
  return { label, colour, dash, x, values, raw: weight && !band ? series.values : null, band };
}

/** `counts` only where a mean is not over equally many seeds everywhere. */
const bandOf = ({ low, high, counts }, weight) => ({
  low: smooth(low, weight),
  high: smooth(high, weight),
  counts: new Set(counts).size > 1 ? counts : null,
});

const X_FORMATS = { epoch: ".2~f", compute: ".2~f" };

/** The x axis of a figure that shows `series`: {xTitle, xKey, xFormat, scale}. */
export function axisOf(allSeries, axis, title) {
  if (axis !== "time" && axis !== "device") return { xTitle: title, xKey: axis, xFormat: X_FORMATS[axis], scale: 1 };
  const unit = timeUnit(Math.max(0, ...allSeries.map((series) => series.x.at(-1) ?? 0)));
  const text = axis === "device" ? unit.title.replace("of training", "of device time") : unit.title;
  return { xTitle: text, xKey: text, scale: unit.scale };
}
