import { paths } from "../router.js";
import { allows } from "../status.js";
import { confirm } from "./confirm.js";

/** Of what is asked about first: the button, and what it means for one run and for several. */
const QUESTIONS = {
  stop: {
    label: "Stop",
    ofOne: "If it is running it writes a checkpoint first, so it can be resumed later.",
    ofMany: "Those that are running write a checkpoint first, so they can be resumed later.",
  },
  delete: {
    label: "Delete",
    ofOne: "Its curves, log and checkpoints go with it. This cannot be undone.",
    ofMany: "Their curves, logs and checkpoints go with them. This cannot be undone.",
  },
};
const DONE = { pause: "paused", resume: "resumed", stop: "stopped", delete: "deleted" };
const MOST_NAMED = 8;
const REFUSALS_SHOWN = 3;
// Fewer than the service takes, so that no answer is long in coming.
const ASKED_AT_ONCE = 100;

function agreed(action, runs, remark) {
  const question = QUESTIONS[action];
  if (!question) return Promise.resolve(true);
  const isOne = runs.length === 1;
  return confirm({
    title: `${question.label} ${isOne ? `“${runs[0].name}”` : `${runs.length} runs`}?`,
    names: isOne ? [] : namesOf(runs),
    text: isOne ? question.ofOne : question.ofMany,
    remark,
    action: question.label,
  });
}

/** All of them, or the first ones and how many more there are. */
function namesOf(runs) {
  if (runs.length <= MOST_NAMED) return runs.map((run) => run.name);
  const named = runs.slice(0, MOST_NAMED - 1).map((run) => run.name);
  return [...named, `and ${runs.length - named.length} more`];
}

/** What is left alone though one might expect otherwise, in sentences. */
function remarkOf(action, { unable, outOfView }) {
  const are = (count, one, many) => (count === 1 ? `1 ${one} is` : `${count} ${many} are`);
  return [
    unable && `${are(unable, "other", "others")} left alone, which cannot be ${DONE[action]} now.`,
    outOfView && `${are(outOfView, "selected run", "selected runs")} out of view and left alone.`,
  ]
    .filter(Boolean)
    .join(" ");
}

/** Pauses, resumes, stops or deletes one run, after a question where it is due. Resolves to whether it was done. */
export async function actOn({ api, runs, toasts }, run, action) {
  if (!(await agreed(action, [run]))) return false;
  try {
    if (action === "delete") {
      await api.deleteRun(run.id);
      runs.remove(run.id);
    } else {
      runs.put(await api.act(run.id, action));
    }
    return true;
  } catch (error) {
    toasts.error(error);
    return false;
  }
}

/**
 * The same for several, those of them that can be; `outOfView` is how many more are selected and not shown. What was
 * refused is told with the service's reason.
 */
export async function actOnMany(app, selected, action, { outOfView = 0 } = {}) {
  const able = selected.filter((run) => allows(run, action));
  const remark = remarkOf(action, { unable: selected.length - able.length, outOfView });
  if (!able.length || !(await agreed(action, able, remark))) return;
  const refused = [];
  try {
    for (let start = 0; start < able.length; start += ASKED_AT_ONCE) {
      refused.push(...(await actOnPart(app, able.slice(start, start + ASKED_AT_ONCE), action)));
    }
  } catch (error) {
    app.toasts.error(error);
  }
  refused.slice(0, REFUSALS_SHOWN).forEach((item) => app.toasts.error(new Error(item.detail)));
  if (refused.length > REFUSALS_SHOWN) {
    app.toasts.error(new Error(`${refused.length - REFUSALS_SHOWN} more were refused.`));
  }
}

/** Resolves to those that were refused. */
async function actOnPart({ api, runs }, part, action) {
  const { items } = await api.actOnMany(
    action,
    part.map((run) => run.id),
  );
  if (action === "delete") items.filter((item) => item.ok).forEach((item) => runs.remove(item.id));
  return items.filter((item) => !item.ok);
}

/** Launches the demo comparison of `presets` and opens it. */
export async function launchDemo({ api, toasts, router }, key) {
  try {
    const { items } = await api.presets();
    const demo = items.find((preset) => preset.name === "demo") ?? items[0];
    const made = await api.createComparison(
      { name: demo.title, config: demo.config, seeds: [demo.config.seed ?? 0], mode: "sequential" },
      key,
    );
    router.go(paths.comparison(made.id));
  } catch (error) {
    toasts.error(error);
  }
}
