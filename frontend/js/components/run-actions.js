import { paths } from "../router.js";
import { confirm } from "./confirm.js";

const QUESTIONS = {
  stop: {
    title: (subject) => `Stop ${subject}?`,
    text: "A running one writes a checkpoint first, so it can be resumed later.",
    action: "Stop",
  },
  delete: {
    title: (subject) => `Delete ${subject}?`,
    text: "Its curves, log and checkpoints go with it. This cannot be undone.",
    action: "Delete",
  },
};

function agreed(action, subject) {
  const question = QUESTIONS[action];
  if (!question) return Promise.resolve(true);
  return confirm({ ...question, title: question.title(subject) });
}

/** Pauses, resumes, stops or deletes one run, after a question where it is due. Resolves to whether it was done. */
export async function actOn({ api, runs, toasts }, run, action) {
  if (!(await agreed(action, `“${run.name}”`))) return false;
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

/** The same for several; what was refused is told with the service's reason. */
export async function actOnMany({ api, runs, toasts }, ids, action) {
  const subject = ids.length === 1 ? `“${runs.get(ids[0])?.name ?? ids[0]}”` : `${ids.length} runs`;
  if (!(await agreed(action, subject))) return;
  try {
    const { items } = await api.actOnMany(action, ids);
    const refused = items.filter((item) => !item.ok);
    if (action === "delete") items.filter((item) => item.ok).forEach((item) => runs.remove(item.id));
    refused.slice(0, 3).forEach((item) => toasts.error(new Error(item.detail)));
    if (refused.length > 3) toasts.error(new Error(`${refused.length - 3} more were refused.`));
  } catch (error) {
    toasts.error(error);
  }
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
