import { ARM_NAMES, done } from "./run-words.js";

const bestOf = (run) => run.best?.["val/top1"] ?? -1;

/** What each sortable column compares. */
const KEYS = {
  name: (run) => run.name.toLowerCase(),
  status: (run) => run.status,
  progress: done,
  best: bestOf,
  created_at: (run) => run.created_at,
};

export const DEFAULT_SORT = "-created_at";

export const isSort = (sort) => Object.hasOwn(KEYS, sort.replace(/^-/, ""));

/** Text that a search looks through: name, id, tags, and settings as one would write them. */
function haystack(run) {
  const { dataset, depth, sd } = run.config;
  return [run.name, run.id, run.notes, ...run.tags, dataset, `resnet-${depth}`, sd ? "sd" : "baseline"]
    .join(" ")
    .toLowerCase();
}

/** The runs that contain every word of `q` and, if given, have one of the statuses. */
export function select(runs, { q = "", status = "" }) {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  return runs.filter((run) => {
    if (status && run.status !== status) return false;
    const text = words.length ? haystack(run) : "";
    return words.every((word) => text.includes(word));
  });
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

/** What tells a run from the others it is shown with: within one comparison its arm and seed, else its name. */
export function labelOf(run, others) {
  const isPaired = run.arm && others.every((other) => other.comparison_id === run.comparison_id);
  return isPaired ? `${ARM_NAMES[run.arm] ?? run.arm} · seed ${run.config.seed}` : run.name;
}

/** "ResNet-20 · digits · SD pL 0.5" */
export function keySettings({ depth, dataset, sd, pL }) {
  return [`ResNet-${depth}`, dataset, sd ? `SD pL ${pL}` : "no SD"].join(" · ");
}
