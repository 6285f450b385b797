import { element, html } from "../html.js";

const card = (preset) => html`
  <label class="preset"><input type="radio" name="preset" value="${preset.name}" data-testid="preset-${preset.name}">
    <span class="preset__body"><strong>${preset.title}</strong><span>${preset.description}</span>
      ${preset.published && html`<span class="preset__published">Published: ${preset.published} (${preset.source})</span>`}
    </span></label>`;

/** Ready configurations as cards. `node` emits "chosen" {name}. */
export function createPresetChooser(presets) {
  const node = element(html`
    <div class="presets" role="radiogroup" aria-label="Presets">${presets.map(card)}</div>`);
  node.addEventListener("change", (event) => {
    event.stopPropagation();
    node.dispatchEvent(new CustomEvent("chosen", { detail: { name: event.target.value } }));
  });
  return {
    node,
    mark(name) {
      for (const input of node.querySelectorAll("input")) input.checked = input.value === name;
    },
  };
}
