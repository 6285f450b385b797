import { element, html, refs, setText } from "../html.js";
import { configOf, fieldsOf, textsOf } from "../form.js";
import { createField } from "./field.js";

const group = (title) => html`
  <fieldset class="group" data-group="${title}"><legend>${title}</legend>
    <div class="group__fields" data-ref="plain"></div>
    <details class="group__more" data-ref="more" hidden><summary>Advanced</summary>
      <div class="group__fields" data-ref="advanced"></div></details></fieldset>`;

function buildGroup(title, fields) {
  const node = element(group(title));
  const { plain, more, advanced } = refs(node);
  for (const one of fields) (one.field.isAdvanced ? advanced : plain).append(one.node);
  more.hidden = !advanced.children.length;
  return node;
}

/** Groups in the schema's order, and whatever has none of them at the end. */
function titlesOf(groups, fields) {
  return [...new Set([...groups, ...fields.map((one) => one.field.group)])];
}

/**
 * The settings as a form, built from `GET /schema` alone. `node` emits "edited" when the user changes something.
 */
export function createConfigForm(answer) {
  const fields = fieldsOf(answer).map(createField);
  const byName = new Map(fields.map((one) => [one.field.name, one]));
  const node = element(html`<div class="config-form"></div>`);
  for (const title of titlesOf(answer.groups, fields)) {
    const own = fields.filter((one) => one.field.group === title);
    if (own.length) node.append(buildGroup(title, own));
  }
  node.addEventListener("input", () => node.dispatchEvent(new CustomEvent("edited")));
  const definitions = fields.map((one) => one.field);
  return {
    node,
    get texts() {
      return Object.fromEntries(fields.map((one) => [one.field.name, one.text]));
    },
    set texts(texts) {
      for (const one of fields) one.text = texts[one.field.name] ?? "";
    },
    get config() {
      return configOf(definitions, this.texts);
    },
    set config(config) {
      this.texts = textsOf(definitions, config);
    },
    field: (name) => byName.get(name),
    focus: (name) => byName.get(name)?.focus(),
    /** Puts each sentence beside its field; resolves what belongs to none into the returned list. */
    showErrors(errors) {
      for (const one of fields) one.showErrors(errors[one.field.name]);
      return Object.entries(errors)
        .filter(([name]) => !byName.has(name))
        .flatMap(([, sentences]) => sentences);
    },
    /** See field.js; `changed` are the names of those whose value is another. */
    expectAnswer(changed) {
      for (const one of fields) one.expectAnswer({ isChanged: changed.has(one.field.name) });
    },
    /** The labels of the fields that have an error. */
    wrong: (errors) => fields.filter((one) => errors[one.field.name]).map((one) => one.field.label),
    /** The first field, in the order on the page, that has an error. */
    firstWrong: (errors) => fields.find((one) => errors[one.field.name])?.field.name,
    showDefaults(derived) {
      for (const one of fields) if (one.field.isNullable) one.showDefault(derived[one.field.name]);
    },
    disable(names) {
      for (const one of fields) one.disable(names.includes(one.field.name));
    },
    countAdvancedChanges() {
      for (const part of node.querySelectorAll("details")) {
        const changed = fields.filter((one) => part.contains(one.node) && isChanged(one));
        setText(part.querySelector("summary"), changed.length ? `Advanced · ${changed.length} changed` : "Advanced");
      }
    },
  };
}

function isChanged({ field, text }) {
  return text !== textsOf([field])[field.name];
}
