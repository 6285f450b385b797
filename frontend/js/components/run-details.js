import { fill } from "../html.js";
import { isActive } from "../status.js";
import { configTable } from "./config-table.js";
import { checkpoints, history } from "./run-records.js";

const NEWEST_EVENTS = { sort: "-at", limit: 500 };

/** The configuration, which never changes, and the machine that trains it, which may. `update(run)` shows it. */
export function createConfig(node, { api, toasts, signal }) {
  const schema = api.schema(signal);
  schema.catch((error) => toasts.error(error));
  let known = null;
  return {
    async update(run) {
      const now = JSON.stringify([run.worker, run.device, run.threads, run.loader_processes, run.versions]);
      if (now === known) return;
      known = now;
      const answer = await schema.catch(() => null);
      if (answer && now === known) fill(node, configTable(answer, run));
    },
  };
}

/** History and checkpoints in their two places: fetched again when the run has come to where they may differ. */
export function createRecords(places, { api, signal }, id) {
  let known = null;
  async function fetchFor(now, isOver) {
    const [events, saved] = await Promise.all([api.events(id, NEWEST_EVENTS, signal), api.checkpoints(id, signal)]);
    if (now !== known) return;
    fill(places.history, history(events.items, { isWhole: events.next === null }));
    fill(places.checkpoints, checkpoints(id, saved.items, { isOver }));
  }
  return {
    update({ status, stored_status: stored, attempt, resumable, progress }) {
      const now = JSON.stringify([status, stored, attempt, resumable, Math.floor(progress.epoch)]);
      if (now === known) return;
      known = now;
      fetchFor(now, !isActive({ status })).catch(() => (known = null));
    },
  };
}
