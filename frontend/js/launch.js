import { seedsOf, tagsOf } from "./form.js";

/** What a comparison sets itself in each of its runs; the form's own values for these don't count then. */
export const SET_BY_PAIR = ["sd", "seed"];

export const KINDS = { one: "One run", pair: "Baseline + SD" };

/** The configuration to check: of a pair the SD twin, since it can only have more to warn of. */
export function checkedConfig({ kind, config }) {
  return kind === "pair" ? { ...config, sd: true } : config;
}

/** The body of `POST /runs` or `POST /comparisons`; a comparison has no tags and notes of its own. */
export function launchBody({ kind, config, meta }) {
  const name = meta.name.trim() || undefined;
  if (kind === "pair") return { name, config, seeds: seedsOf(meta.seeds), mode: meta.mode };
  return { name, config, tags: tagsOf(meta.tags), notes: meta.notes.trim() };
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
