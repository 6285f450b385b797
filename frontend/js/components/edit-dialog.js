import { tagsOf } from "../form.js";
import { element, html, refs, setText } from "../html.js";

const dialogOf = (run) => html`
  <dialog class="dialog" aria-labelledby="edit-title" data-testid="edit-dialog">
    <form data-ref="form" novalidate>
      <h2 id="edit-title">Name, tags and notes</h2>
      <div class="field"><label for="edit-name">Name</label>
        <input id="edit-name" type="text" value="${run.name}" data-ref="name" autocomplete="off"
          data-testid="edit-name"></div>
      <div class="field"><label for="edit-tags">Tags</label>
        <input id="edit-tags" type="text" value="${run.tags.join(", ")}" data-ref="tags" autocomplete="off"
          aria-describedby="edit-tags-help" data-testid="edit-tags">
        <p class="field__help" id="edit-tags-help">Separated by commas.</p></div>
      <div class="field"><label for="edit-notes">Notes</label>
        <textarea id="edit-notes" rows="4" data-ref="notes" data-testid="edit-notes"></textarea></div>
      <p class="field__error" role="alert" data-ref="error"></p>
      <div class="dialog__buttons">
        <button type="button" class="button" data-ref="cancel">Cancel</button>
        <button class="button button--primary" data-testid="edit-save">Save</button>
      </div>
    </form>
  </dialog>`;

/** Edits what may be edited of a run at any time. What was typed stays when the service refuses it. */
export function editRun(run, { api, runs }) {
  const dialog = element(dialogOf(run));
  const { form, name, tags, notes, error, cancel } = refs(dialog);
  notes.value = run.notes;
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  cancel.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const edited = { name: name.value.trim(), tags: tagsOf(tags.value, run.tags), notes: notes.value };
      runs.put(await api.editRun(run.id, edited));
      dialog.close();
    } catch (refused) {
      setText(
        error,
        Object.values(refused.errors ?? {})
          .flat()
          .join(" ") || refused.message,
      );
      name.focus();
    }
  });
  dialog.showModal();
}
