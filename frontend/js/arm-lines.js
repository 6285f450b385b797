import { armLines } from "./palette.js";
import { armName } from "./run-words.js";

const seedsOf = (runs, arm) => runs.filter((run) => run.arm === arm).map((run) => run.config.seed);

/** The runs of one comparison by arm, [{arm, line, label}], the reference first; null for any other runs. */
export function armsOf(runs) {
  const [{ comparison_id: id }] = runs;
  if (!runs.every((run) => run.arm && run.comparison_id === id)) return null;
  const names = [...new Set(runs.map((run) => run.arm))];
  if (names.length === runs.length) return null;
  const lines = armLines(runs);
  return names.map((arm) => ({ arm, line: lines.get(arm), label: armName(arm) }));
}

/** Do all arms have a run of the same seeds? Else their means compare seeds as much as arms. */
export function haveSameSeeds(runs, arms) {
  const all = arms.map(({ arm }) => seedsOf(runs, arm).sort().join());
  return new Set(all).size === 1;
}

const isOver = (run) => run.status === "completed";

/** What is to be said while the means of some arms are over other seeds than those of others; else nothing. */
export function unevenSeeds(runs, arms) {
  const over = runs.filter(isOver);
  if (haveSameSeeds(over, arms)) return "";
  const told = arms.map(({ arm, label }) => `${label} ${seedText(seedsOf(over, arm)) || "none"}`);
  return (
    `Not all arms have completed the same seeds (${told.join("; ")}), so their means are over different ones. The verdict ` +
    "compares seed by seed."
  );
}

/** "0-4, 7" */
export function seedText(seeds) {
  const ranges = [];
  for (const seed of [...new Set(seeds)].sort((one, other) => one - other)) {
    const last = ranges.at(-1);
    if (last && seed === last.to + 1) last.to = seed;
    else ranges.push({ from: seed, to: seed });
  }
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(", ");
}
