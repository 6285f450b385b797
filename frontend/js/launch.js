import { setByAll, settingsOf } from "./arms.js";
import { tagsOf } from "./form.js";
import { parseSeeds } from "./seeds.js";

export const KINDS = { one: "One run", comparison: "Comparison" };
export const isComparison = (kind) => kind === "comparison";

const PLAN = ["metric", "question", "margin", "stopping", "max_seeds", "confidence"];

/** Settings of the form that count for no run of a comparison: the seed, and what every arm sets itself. */
export const setByComparison = (arms) => ["seed", ...setByAll(arms)];

/** The body of `POST /runs`, or of `POST /comparisons` and its preview; all runs of a comparison get its tags and notes. */
export function launchBody({ kind, config, meta, design }) {
  const told = { name: meta.name.trim() || undefined, tags: tagsOf(meta.tags), notes: meta.notes.trim() };
  if (!isComparison(kind)) return { ...told, config };
  const left = setByComparison(design.arms);
  return {
    ...told,
    config: Object.fromEntries(Object.entries(config).filter(([name]) => !left.includes(name))),
    arms: design.arms.map(({ name, settings }) => ({ name, settings: settingsOf(settings) })),
    seeds: sentSeeds(meta.seeds),
    mode: meta.mode,
    plan: planOf(meta),
  };
}

/** What is left empty, and what belongs to another question or stopping, is not sent. */
function planOf(meta) {
  const isUsed = {
    margin: meta.question === "non_inferiority",
    max_seeds: meta.stopping === "sequential",
  };
  const given = PLAN.filter((name) => meta[name].trim() && isUsed[name] !== false);
  return Object.fromEntries(given.map((name) => [name, meta[name].trim()]));
}

/** "Launch 6 runs (2 arms × 3 seeds)", as far as the seeds can be read. */
export function launchLabel({ kind, meta, design }) {
  if (!isComparison(kind)) return "Launch run";
  const { length: seeds } = parseSeeds(meta.seeds).seeds;
  const { length: arms } = design.arms;
  if (!seeds) return "Launch comparison";
  const more = meta.stopping === "sequential" ? " to begin with" : "";
  return `Launch ${arms * seeds} runs (${arms} arm${arms > 1 ? "s" : ""} × ${seeds} seed${seeds > 1 ? "s" : ""})${more}`;
}

/** Seeds that cannot be read go to the service as they were typed, and it says why not. */
function sentSeeds(text) {
  const { seeds, problem } = parseSeeds(text);
  return problem ? text : seeds;
}

/** One key for each distinct body, so that sending the same thing again launches nothing twice. */
export function keyKeeper(newKey) {
  let kept = { body: null, key: null };
  return (body) => {
    const text = JSON.stringify(body);
    if (kept.body !== text) kept = { body: text, key: newKey() };
    return kept.key;
  };
}
