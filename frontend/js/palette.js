// Twelve hues that keep 3:1 against both backgrounds; neighbours lie far apart, so that a pair never looks alike.
const HUES = [
  "#3b82d0",
  "#e2703a",
  "#17a287",
  "#c452b8",
  "#a8870f",
  "#7c6df0",
  "#d94a5e",
  "#0f9bb8",
  "#6a9a2c",
  "#e0559a",
  "#5a7fa8",
  "#8f7560",
];

function hash(text) {
  let value = 2166136261;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 16777619);
  }
  return value >>> 0;
}

function place(run) {
  if (!run.comparison_id) return hash(run.id) % HUES.length;
  const seed = Number(run.config?.seed) || 0;
  return (hash(run.comparison_id) + 2 * (seed % 6) + placeOfArm(run.arm)) % HUES.length;
}

/** A pair's two lie beside each other; other arms anywhere, by their names. */
const placeOfArm = (arm) => ({ baseline: 0, sd: 1 })[arm] ?? hash(arm ?? "") % HUES.length;

/** A run's colour: a function of its identity alone, the same on every page and every machine. */
export function colourOf(run) {
  return HUES[place(run)];
}

/** How lines of one colour are told apart, in pixels drawn and left out; `.swatch--dashed` shows the same. */
const DASHES = ["solid", "7px,4px", "2px,3px", "10px,3px,2px,3px"];

/**
 * Lines for runs that share a chart, {colour, dash, pattern} by id: in their own colour, except where two would coincide.
 * Each further dozen takes the next pattern; only after the last of those are two alike. `pattern` is its number.
 */
export function distinctLines(runs) {
  const lines = new Map();
  const used = new Set();
  for (const run of runs) {
    if (used.size === HUES.length) used.clear();
    let at = place(run);
    while (used.has(at)) at = (at + 1) % HUES.length;
    used.add(at);
    const pattern = Math.floor(lines.size / HUES.length) % DASHES.length;
    lines.set(run.id, { colour: HUES[at], dash: DASHES[pattern], pattern });
  }
  return lines;
}

/** The line of each arm of one comparison, by its name: that of its first run, wherever the arm is shown. */
export function armLines(runs) {
  const firsts = [...new Set(runs.map((run) => run.arm))].map((arm) => runs.find((run) => run.arm === arm));
  const lines = distinctLines(firsts);
  return new Map(firsts.map((run) => [run.arm, lines.get(run.id)]));
}

/** Up to so many runs have a colour each. */
export const MOST_COLOURS = HUES.length;

/** What is to be said of the lines of so many runs; nothing where each has a colour of its own. */
export function sharedLines(count) {
  if (count <= HUES.length) return "";
  const telling =
    count <= HUES.length * DASHES.length
      ? `${count} runs share ${HUES.length} colours; dashes tell those of one colour apart.`
      : `${count} runs share ${HUES.length} colours and ${DASHES.length} patterns of lines, so some look alike.`;
  return `${telling} Point at a line to see its run.`;
}

/** For several curves of one run. */
export const CURVE_COLOURS = HUES;
