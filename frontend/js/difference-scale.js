/** Beyond so many spans of the dots an interval is cut off: with two seeds it is many times as wide as they are. */
const CUT_AT_SPANS = 1.5;
const STEPS = [1, 2, 5];
const MOST_TICKS = 7;

/**
 * The axis of a plot of differences: {low, high, ticks}, with 0, every dot, and every interval as far as it is shown.
 * worker/report/differences.py has the same ends; a test keeps the two equal. `margin` is where its line stands, or null.
 */
export function differenceScale(contrasts, margin) {
  const dots = contrasts.flatMap(({ differences }) => differences.map(({ value }) => value));
  const held = [0, ...dots, ...(margin === null ? [] : [margin])];
  const [least, greatest] = [Math.min(...held), Math.max(...held)];
  const room = CUT_AT_SPANS * (greatest - least || 1);
  const ends = contrasts.flatMap(({ low, high }) => [low, high]).filter((end) => end !== null);
  const kept = ends.map((end) => Math.min(Math.max(end, least - room), greatest + room));
  const [low, high] = [Math.min(least, ...kept), Math.max(greatest, ...kept)];
  const step = stepOf(high - low || 1);
  // A little air, so that no dot stands on the edge.
  const edges = { low: low - 0.04 * (high - low || 1), high: high + 0.04 * (high - low || 1) };
  const first = Math.ceil(edges.low / step);
  const count = Math.floor(edges.high / step) - first + 1;
  return { ...edges, ticks: Array.from({ length: count }, (_, at) => Number(((first + at) * step).toPrecision(12))) };
}

/** 1, 2 or 5 of some power of ten, so that there are not too many ticks. */
function stepOf(span) {
  const power = 10 ** Math.floor(Math.log10(span / MOST_TICKS));
  return [...STEPS, 10].map((step) => step * power).find((step) => span / step <= MOST_TICKS);
}

/** Where `value` stands between the ends, in percent; what lies beyond stands at the end. */
export function placeOf(value, { low, high }) {
  return Math.min(100, Math.max(0, (100 * (value - low)) / (high - low)));
}

/** Dots nearer than this, in percent of the width, would hide one another. */
const APART = 1.2;

/** How many steps above (+) or below (-) its row each dot stands, so that dots of like values are all seen. */
export function heightsOf(values, scale) {
  const places = values.map((value) => placeOf(value, scale));
  return places.map((place, index) => {
    const before = places.slice(0, index).filter((other) => Math.abs(other - place) < APART).length;
    return before % 2 ? (before + 1) / 2 : -before / 2 || 0;
  });
}
