import { element, html } from "../html.js";
import { createField } from "./field.js";

const text = (name, label, help) => ({
  name,
  label,
  help,
  unit: "",
  kind: "text",
  choices: [],
  limits: "",
  isNullable: true,
  isAdvanced: false,
  default: null,
});

const BOTH = ["one", "pair"];

/** What a launch has beside its configuration, and for which kinds of launch. */
const FIELDS = [
  { ...text("name", "Name", "How it is listed; empty takes one from the settings."), kinds: BOTH },
  {
    ...text("seeds", "Seeds", "One pair for each: a list, ranges or both, such as 0, 2, 5-7. One pair is an anecdote; three or more tell."),
    kinds: ["pair"],
  },
  {
    ...text("mode", "Order", "sequential: one run after another, so that times compare; parallel: as devices allow."),
    kind: "choice",
    choices: ["sequential", "parallel"],
    isNullable: false,
    kinds: ["pair"],
  },
  { ...text("tags", "Tags", "Separated by commas; every run that is launched gets them."), kinds: BOTH },
  { ...text("notes", "Notes", "What you want to find out; every run that is launched gets them."), kinds: BOTH },
];

/** Name, tags, notes and, of a pair, seeds and order. `node` emits "edited". */
export function createMetaForm() {
  const fields = FIELDS.map((field) => ({ ...field, control: createField(field) }));
  const node = element(html`<div class="group__fields group__fields--meta"></div>`);
  node.append(...fields.map(({ control }) => control.node));
  fields.find((field) => field.name === "name").control.showDefault("from the settings");
  fields
    .filter(({ name }) => name === "tags" || name === "notes")
    .forEach(({ control }) => control.showDefault("none"));
  node.addEventListener("input", () => node.dispatchEvent(new CustomEvent("edited")));
  return {
    node,
    get texts() {
      return Object.fromEntries(fields.map(({ name, control }) => [name, control.text]));
    },
    set texts(texts) {
      for (const { name, control } of fields) control.text = texts[name] ?? "";
    },
    showFor(kind) {
      for (const { kinds, control } of fields) control.node.hidden = !kinds.includes(kind);
    },
    expectAnswer(changed) {
      for (const { name, control } of fields) control.expectAnswer({ isChanged: changed.has(name) });
    },
    /** Shows what belongs to these fields and returns the rest. "seeds.0" belongs to "seeds". */
    showErrors(errors) {
      const of = (name) => Object.keys(errors).filter((key) => key.split(".")[0] === name);
      for (const { name, control } of fields) control.showErrors(of(name).flatMap((key) => errors[key]));
      const mine = new Set(fields.flatMap(({ name }) => of(name)));
      return Object.fromEntries(Object.entries(errors).filter(([key]) => !mine.has(key)));
    },
    /** The labels of the fields that have an error. */
    wrong: (errors) =>
      fields
        .filter(({ name }) => Object.keys(errors).some((key) => key.split(".")[0] === name))
        .map(({ label }) => label),
    firstWrong: (errors) =>
      fields.find(({ name }) => Object.keys(errors).some((key) => key.split(".")[0] === name))?.name,
    focus: (name) => fields.find((field) => field.name === name).control.focus(),
  };
}
