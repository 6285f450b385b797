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
  return (hash(run.comparison_id) + 2 * (seed % 6) + (run.arm === "sd" ? 1 : 0)) % HUES.length;
}

/** A run's colour: a function of its identity alone, the same on every page and every machine. */
export function colourOf(run) {
  return HUES[place(run)];
}

/** Colours for runs that share a chart: their own, except where two would coincide. */
export function distinctColours(runs) {
  const colours = new Map();
  const used = new Set();
  for (const run of runs) {
    let at = place(run);
    while (used.has(at) && used.size < HUES.length) at = (at + 1) % HUES.length;
    used.add(at);
    colours.set(run.id, HUES[at]);
  }
  return colours;
}

/** For several curves of one run. */
export const CURVE_COLOURS = HUES;
