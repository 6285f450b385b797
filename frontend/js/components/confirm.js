import { element, html } from "../html.js";

const list = (names) => html`<ul class="dialog__names">${names.map((name) => html`<li>${name}</li>`)}</ul>`;

/**
 * Asks before something that cannot be undone; resolves to true only when it is confirmed. `names` are those that it
 * touches, `remark` says what it leaves alone. The browser's own modal dialog keeps the focus inside and gives it back.
 */
export function confirm({ title, text, names = [], remark = "", action, isDangerous = true }) {
  const dialog = element(html`
    <dialog class="dialog" aria-labelledby="confirm-title" aria-describedby="confirm-text" data-testid="confirm">
      <form method="dialog">
        <h2 id="confirm-title">${title}</h2>
        <div id="confirm-text" class="dialog__text">${names.length ? list(names) : ""}<p>${text}</p>
          ${remark ? html`<p>${remark}</p>` : ""}</div>
        <div class="dialog__buttons">
          <button class="button" value="cancel" autofocus data-testid="confirm-cancel">Cancel</button>
          <button class="button ${isDangerous ? "button--danger" : "button--primary"}" value="confirm"
            data-testid="confirm-ok">${action}</button>
        </div>
      </form>
    </dialog>`);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "confirm");
    });
  });
}
