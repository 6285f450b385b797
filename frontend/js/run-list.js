import { done } from "./run-words.js";

const bestOf = (run) => run.best?.["val/top1"] ?? -1;

/** What each sortable column compares. */
const KEYS = {
  name: (run) => run.name.toLowerCase(),
  status: (run) => run.status,
  progress: done,
  best: bestOf,
  created_at: (run) => run.created_at,
};

export const SORTS = Object.keys(KEYS);
export const DEFAULT_SORT = "-created_at";

export const isSort = (sort) => Object.hasOwn(KEYS, sort.replace(/^-/, ""));

/** The runs that have the status, all of them without one. What a search finds only the service says. */
export function select(runs, { status = "" }) {
  return status ? runs.filter((run) => run.status === status) : runs;
}

/** Sorted copies; equal ones keep the newest first, so that rows never trade places for nothing. */
export function sorted(runs, sort) {
  const isFalling = sort.startsWith("-");
  const key = KEYS[sort.replace(/^-/, "")] ?? KEYS.created_at;
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  return [...runs].sort((one, other) => {
    const by = order(key(one), key(other)) * (isFalling ? -1 : 1);
    return by || order(other.created_at, one.created_at) || order(one.id, other.id);
  });
}

/** "ResNet-20 · digits · SD pL 0.5" */
export function keySettings({ depth, dataset, sd, pL }) {
  return [`ResNet-${depth}`, dataset, sd ? `SD pL ${pL}` : "no SD"].join(" · ");
}
