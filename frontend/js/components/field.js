import { element, html, refs, setAttribute, setText } from "../html.js";
import { setting } from "../format.js";

const option = (value, label) => html`<option value="${value}">${label}</option>`;

function choices(field) {
  const empty = field.isNullable ? [option("", "Default")] : [];
  if (field.kind === "flag") return [...empty, option("true", "Yes"), option("false", "No")];
  return [...empty, ...field.choices.map((choice) => option(choice, choice))];
}

// Keeps a name that is offered apart from a value that is spelt alike.
const OFFERED = "offered:";

const groupOf = (heading, names) => html`
  <optgroup label="${heading}">${names.map(
    ({ name, label, of }) => html`<option value="${OFFERED + name}" data-name="${name}" data-of="${of}"
      >${label}</option>`,
  )}</optgroup>`;

const attributes = (field) => html`id="f-${field.name}" name="${field.name}" data-ref="control"
  data-testid="field-${field.name}" aria-describedby="h-${field.name} e-${field.name}"`;

function control(field) {
  if (field.kind === "flag" && !field.isNullable) {
    return html`<input type="checkbox" role="switch" class="switch" ${attributes(field)}>`;
  }
  if (["choice", "constant", "flag"].includes(field.kind)) {
    return html`<select ${attributes(field)}>${choices(field)}</select>`;
  }
  // Text inputs for numbers too: a number input swallows what it doesn't understand, and the wheel changes it.
  const mode = { integer: "numeric", number: "decimal" }[field.kind] ?? "text";
  return html`<input type="text" inputmode="${mode}" autocomplete="off" spellcheck="false" ${attributes(field)}>`;
}

const markup = (field) => html`
  <div class="field field--${field.kind}" data-field="${field.name}">
    <div class="field__head"><label for="f-${field.name}">${field.label}</label>
      <code class="field__name">${field.name}</code></div>
    <div class="field__control">${control(field)}
      ${field.unit ? html`<span class="field__unit">${field.unit}</span>` : ""}</div>
    <p class="field__error" id="e-${field.name}" data-ref="error" data-testid="error-${field.name}"></p>
    <p class="field__help" id="h-${field.name}">${field.help}
      ${field.limits ? html`<span class="field__limits">${field.limits}</span>` : ""}</p>
  </div>`;

/** One setting of the form: its label, control, help and error. Values are texts (see form.js). */
export function createField(field) {
  const node = element(markup(field));
  const { control: input, error } = refs(node);
  const isSwitch = input.type === "checkbox";
  const emptyOption = input.tagName === "SELECT" ? input.querySelector('option[value=""]') : null;
  return {
    node,
    field,
    get text() {
      return isSwitch ? String(input.checked) : (input.selectedOptions?.[0]?.dataset.of ?? input.value);
    },
    set text(text) {
      if (isSwitch) input.checked = text === "true";
      else input.value = text;
    },
    /** Offers in a list, under a heading, names {name, label, of} that stand for its value `of`; picks none of them. */
    offer(heading, names) {
      const { text } = this;
      input.querySelector("optgroup")?.remove();
      if (names.length) input.append(element(groupOf(heading, names)));
      input.value = text;
    },
    /** The name that is picked of those offered, null while it is a plain value. */
    get picked() {
      return input.selectedOptions?.[0]?.dataset.name ?? null;
    },
    set picked(name) {
      input.value = name === null ? this.text : OFFERED + name;
    },
    /** Shows what an empty control stands for. */
    showDefault(value) {
      const isUnknown = value === null || value === undefined;
      const shown = isUnknown ? (field.kind === "text" ? "none" : "default") : setting(value);
      if (emptyOption) setText(emptyOption, shown === "default" ? "Default" : `Default (${shown})`);
      else if (!isSwitch) setAttribute(input, "placeholder", shown);
    },
    showErrors(sentences = []) {
      setText(error, sentences.join(" "));
      node.classList.remove("field--asking");
      setAttribute(input, "aria-invalid", sentences.length ? "true" : null);
      node.classList.toggle("field--wrong", sentences.length > 0);
    },
    /** The service is being asked anew: what it said of a value that is no longer there is gone, the rest is faint. */
    expectAnswer({ isChanged }) {
      if (isChanged) this.showErrors();
      else node.classList.add("field--asking");
    },
    disable(isDisabled) {
      input.disabled = isDisabled;
      node.classList.toggle("field--off", isDisabled);
    },
    focus() {
      node.closest("details")?.setAttribute("open", "");
      input.focus();
      node.scrollIntoView({ block: "center" });
    },
  };
}
