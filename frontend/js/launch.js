import { tagsOf } from "./form.js";
import { parseSeeds } from "./seeds.js";

/** What a comparison sets itself in each of its runs; the form's own values for these don't count then. */
export const SET_BY_PAIR = ["sd", "seed"];

export const KINDS = { one: "One run", pair: "Baseline + SD" };

/** The body of `POST /runs` or `POST /comparisons`; all runs of a comparison get its tags and notes. */
export function launchBody({ kind, config, meta }) {
  const told = { name: meta.name.trim() || undefined, tags: tagsOf(meta.tags), notes: meta.notes.trim() };
  if (kind !== "pair") return { ...told, config };
  return { ...told, config: pairConfig(config), seeds: sentSeeds(meta.seeds), mode: meta.mode };
}

/** The body of `POST /runs/check`: of a pair the SD twin, since it can only have more to warn of. */
export function draftOf({ kind, config, meta }) {
  const { mode: _, ...body } = launchBody({ kind, config, meta });
  return kind === "pair" ? { ...body, config: { ...body.config, sd: true } } : body;
}

/** "Launch 6 runs (3 pairs)", as far as the seeds can be read. */
export function launchLabel({ kind, meta }) {
  if (kind !== "pair") return "Launch run";
  const { length: pairs } = parseSeeds(meta.seeds).seeds;
  return pairs ? `Launch ${2 * pairs} runs (${pairs} pair${pairs > 1 ? "s" : ""})` : "Launch pairs";
}

/** Seeds that cannot be read go to the service as they were typed, and it says why not. */
function sentSeeds(text) {
  const { seeds, problem } = parseSeeds(text);
  return problem ? text : seeds;
}

function pairConfig(config) {
  return Object.fromEntries(Object.entries(config).filter(([name]) => !SET_BY_PAIR.includes(name)));
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
