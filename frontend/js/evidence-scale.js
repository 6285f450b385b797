const LEAST = 0.1;

/**
 * The scales of a plot of evidence by number of seeds: {seeds, low, high} with logarithms to base 10, so that the line
 * of `needed` and every look are in it. `looks` has the looks of each arm, {evidence}.
 */
export function evidenceScale(looks, needed) {
  const all = looks.flat().map(({ evidence }) => logOf(evidence));
  const low = Math.min(-0.3, ...all);
  const high = Math.max(logOf(needed) + 0.3, ...all);
  return { seeds: Math.max(2, ...looks.map((one) => one.length)), low, high };
}

/** Of a path in a box of 100 by 100, "x,y x,y": one place for each look, from the first seed at the left. */
export function pathOf(looks, { seeds, low, high }) {
  const x = (at) => (100 * at) / (seeds - 1);
  const y = (evidence) => (100 * (high - logOf(evidence))) / (high - low);
  return looks.map(({ evidence }, at) => `${x(at).toFixed(2)},${y(evidence).toFixed(2)}`).join(" ");
}

/** How far from the top, in percent, `evidence` stands. */
export const heightOf = (evidence, { low, high }) => (100 * (high - logOf(evidence))) / (high - low);

const logOf = (evidence) => Math.log10(Math.max(LEAST, evidence));
