import { ACTIVE } from "./status.js";

const PAGE_OF_RUNS = 200;
const RUNS_AT_MOST = 1000;
const ACTIVE_AT_MOST = 500;

/**
 * Fetches the runs that the page holds: the newest ones and, where there are more, all that are active and those that a
 * page shows. Resolves to the change number at which the fetching began.
 */
export async function loadRuns({ api, runs }) {
  const { items, isComplete, change } = await fetchNewest(api);
  if (isComplete) {
    runs.load(items);
    return change;
  }
  const held = new Set(items.map((run) => run.id));
  const [active, asked] = await Promise.all([
    api.runs({ status: ACTIVE.join(","), limit: ACTIVE_AT_MOST }),
    api.runsOf(runs.needed.filter((id) => !held.has(id))),
  ]);
  runs.load([...active.items, ...asked.runs, ...items], { since: items.at(-1).created_at });
  asked.missing.forEach((id) => runs.remove(id));
  return change;
}

async function fetchNewest(api) {
  const items = [];
  let answer;
  let change;
  do {
    answer = await api.runs({ sort: "-created_at", limit: PAGE_OF_RUNS, cursor: answer?.next });
    items.push(...answer.items);
    change ??= answer.change;
  } while (answer.next && items.length < RUNS_AT_MOST);
  return { items, isComplete: !answer.next, change };
}
