import { element, html, refs, setText } from "../html.js";
import { confirm } from "./confirm.js";
import { registerFolder } from "./register-dialog.js";

const line = () => html`
  <div class="field__names" data-testid="dataset-names">
    <span role="status" data-ref="text" data-testid="registered-as"></span>
    <button type="button" class="button button--small" data-ref="register" data-testid="register-folder"
      >Register this folder</button>
    <button type="button" class="button button--small button--quiet-danger" data-ref="remove"
      data-testid="remove-name">Remove the name</button></div>`;

const labelOf = ({ name, title }) => (title === name ? name : `${title} (${name})`);

/**
 * Names for folders: the dataset's list offers those that are registered, and below the folder one can register it or
 * remove its name. A name only fills in kind and folder. `items` is the answer of `GET /datasets`; `show()` is to be
 * called after every change of the form.
 */
export function createDatasetNames({ form, items, app }) {
  const kind = form.field("dataset");
  const folder = form.field("data_dir");
  const node = element(line());
  const places = refs(node);
  const state = { items, shown: null, typed: "" };
  folder.node.append(node);

  const fits = (item) => item.registered && item.dataset === kind.text && item.data_dir === folder.text.trim();
  const current = () =>
    state.items.find((item) => fits(item) && item.name === kind.picked) ?? state.items.find(fits) ?? null;
  const needsFolder = () => state.items.some((item) => item.name === kind.text && item.needs_data_dir);

  const show = () => {
    state.shown = current();
    kind.picked = state.shown?.name ?? null;
    setText(places.text, state.shown ? `Registered as “${state.shown.name}”` : "");
    places.remove.hidden = !state.shown;
    places.register.hidden = Boolean(state.shown) || !needsFolder() || !folder.text.trim();
  };
  const offer = (next) => {
    state.items = next;
    const names = next.filter((item) => item.registered);
    kind.offer(
      "Registered",
      names.map((item) => ({ name: item.name, label: labelOf(item), of: item.dataset })),
    );
    show();
  };
  const refresh = async () => {
    const answer = await app.api.datasets(app.signal).catch(() => null);
    if (answer) offer(answer.items);
  };

  // Heard before the form says "edited", so that kind and folder change as one.
  kind.node.addEventListener("input", () => fillFolder({ state, kind, folder }));
  places.register.addEventListener("click", async () => {
    const made = await registerFolder({ dataset: kind.text, data_dir: folder.text.trim() }, app);
    if (!made) return;
    await refresh();
    places.remove.focus();
  });
  places.remove.addEventListener("click", async () => {
    if (!(await removeName(state.shown.name, app))) return;
    await refresh();
    places.register.focus();
  });
  for (const news of ["datasets", "reset"]) app.live.addEventListener(news, refresh, { signal: app.signal });
  offer(items);
  return { show };
}

/** A picked name brings its folder; leaving it brings back what was typed before. */
function fillFolder({ state, kind, folder }) {
  const picked = state.items.find((item) => item.registered && item.name === kind.picked);
  if (picked) {
    if (!state.shown) state.typed = folder.text;
    folder.text = picked.data_dir;
  } else if (state.shown && folder.text.trim() === state.shown.data_dir) {
    folder.text = state.typed === state.shown.data_dir ? "" : state.typed;
  }
}

async function removeName(name, { api, toasts }) {
  const agreed = await confirm({
    title: `Remove the name “${name}”?`,
    text: "The folder, and the runs that were trained on it, stay as they are.",
    action: "Remove",
  });
  if (!agreed) return false;
  try {
    await api.deleteDataset(name);
    return true;
  } catch (error) {
    toasts.error(error);
    return false;
  }
}
