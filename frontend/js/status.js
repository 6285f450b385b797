/** What can be asked of a run in each shown status; the API refuses the rest, so buttons for it are not offered. */
const ALLOWED = {
  queued: ["pause", "stop"],
  starting: ["pause", "stop"],
  running: ["pause", "stop"],
  pausing: ["resume", "stop"],
  paused: ["resume", "stop", "delete"],
  stopping: [],
  stopped: ["resume", "delete"],
  failed: ["resume", "delete"],
  completed: ["delete"],
};

export const STATUSES = Object.keys(ALLOWED);

/** The statuses of runs that go on, or will when they are let. */
export const ACTIVE = ["queued", "starting", "running", "pausing", "paused", "stopping"];

export const isActive = ({ status }) => ACTIVE.includes(status);

const LIVE = new Set(["starting", "running", "pausing", "stopping"]);

/** Does a worker hold the run? */
export function isLive(run) {
  return LIVE.has(run.status);
}

/** A queued run may be deleted as well: nothing of it exists yet. */
export function allows(run, action) {
  if (action === "delete" && run.status === "queued") return true;
  return ALLOWED[run.status]?.includes(action) ?? false;
}
