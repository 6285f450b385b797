import { newKey } from "../api.js";
import { element, html, refs, setAttribute, setText } from "../html.js";
import { keyKeeper } from "../launch.js";

const dialogOf = (folder) => html`
  <dialog class="dialog" aria-labelledby="register-title" data-testid="register-dialog">
    <form data-ref="form" novalidate>
      <h2 id="register-title">Register this folder</h2>
      <p>${folder.dataset} in <code>${folder.data_dir}</code></p>
      <div class="field"><label for="register-name">Name</label>
        <input id="register-name" type="text" value="${slugOf(folder.data_dir)}" data-ref="name" autocomplete="off"
          spellcheck="false" aria-describedby="register-name-help register-error" data-testid="register-name">
        <p class="field__help" id="register-name-help">Lower case letters, digits and hyphens.</p></div>
      <div class="field"><label for="register-called">Title</label>
        <input id="register-called" type="text" data-ref="title" autocomplete="off" placeholder="the name"
          data-testid="register-called"></div>
      <p class="field__error" id="register-error" role="alert" data-ref="error" data-testid="register-error"></p>
      <div class="dialog__buttons">
        <button type="button" class="button" data-ref="cancel">Cancel</button>
        <button class="button button--primary" data-testid="register-ok">Register</button>
      </div>
    </form>
  </dialog>`;

/** A name to begin with: the last part of the path, as far as a name can say it. */
export function slugOf(path) {
  const last = path.split("/").filter(Boolean).at(-1) ?? "";
  return last
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 64)
    .replace(/^-|-$/g, "");
}

const sentences = (refused) => Object.values(refused.errors ?? {}).flat();

/** Asks for a name for {dataset, data_dir}; resolves to what the service made of it, null if it was given up. */
export function registerFolder(folder, { api }) {
  const dialog = element(dialogOf(folder));
  const { form, name, title, error, cancel } = refs(dialog);
  const keyOf = keyKeeper(newKey);
  let made = null;
  document.body.append(dialog);
  cancel.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { ...folder, name: name.value.trim(), title: title.value.trim() };
    try {
      made = await api.createDataset(body, keyOf(body));
      dialog.close();
    } catch (refused) {
      setText(error, sentences(refused).join(" ") || refused.message);
      setAttribute(name, "aria-invalid", !refused.errors?.title && "true");
      name.focus();
    }
  });
  dialog.showModal();
  name.select();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(made);
    });
  });
}
