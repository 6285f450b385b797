const ARM_NAMES = { baseline: "Baseline", sd: "Stochastic depth" };
const SHORT_ARM_NAMES = { ...ARM_NAMES, sd: "SD" };

/** How an arm is called: the two that everybody has by their words, others as somebody named them. */
export const armName = (arm) => ARM_NAMES[arm] ?? arm;

/** The same where there is no room, as in a chip or the head of a narrow column. */
export const shortArmName = (arm) => SHORT_ARM_NAMES[arm] ?? arm;

/** How it is said that the runs of a comparison wait for each other. */
export const MODES = { sequential: "one after the other", parallel: "in parallel" };

/** The share of a run that is done, from 0 to 1. */
export function done({ progress, status }) {
  if (status === "completed") return 1;
  if (progress.steps) return Math.min(1, progress.step / progress.steps);
  return progress.epochs ? Math.min(1, progress.epoch / progress.epochs) : 0;
}

/** Why a run stands as it does: what it waits for, or why it ended. */
export function noteOf(run) {
  if (run.status === "queued" && run.waiting_for) return `waits for ${run.waiting_for}`;
  return run.reason ?? "";
}
