import { element, html } from "../html.js";
import { USUAL_CONFIDENCE, USUAL_MOST_SEEDS } from "../limits.js";
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

const BOTH = ["one", "comparison"];
const COMPARISON = ["comparison"];
const choice = (name, label, choices, help) => ({
  ...text(name, label, help),
  kind: "choice",
  choices,
  isNullable: false,
});
const planned = (field, isUsed) => ({ ...field, key: `plan.${field.name}`, kinds: COMPARISON, isUsed });

/** What a launch has beside its configuration, for which kinds of launch, and with which other choices. */
const FIELDS = [
  { ...text("name", "Name", "How it is listed; empty takes one from the settings."), kinds: BOTH },
  {
    ...text(
      "seeds",
      "Seeds",
      "For each a run of every arm: a list, ranges or both, such as 0, 2, 5-7. One seed says nothing of others.",
    ),
    kinds: COMPARISON,
  },
  {
    ...choice(
      "mode",
      "Order",
      ["sequential", "parallel"],
      "sequential: one run after another, so that times compare; parallel: as devices allow.",
    ),
    kinds: COMPARISON,
  },
  planned(choice("metric", "Metric", ["val/top1", "val/top5", "val/loss"], "Its value after the last epoch decides.")),
  planned(
    choice(
      "question",
      "Question",
      ["difference", "non_inferiority"],
      "difference: is an arm better or worse than the reference? non_inferiority: is it at most so much worse?",
    ),
  ),
  planned(
    text("margin", "Margin", "The greatest loss that would be accepted, in points for top-1 and top-5."),
    ({ question }) => question === "non_inferiority",
  ),
  planned(
    choice(
      "stopping",
      "Stopping",
      ["fixed", "sequential"],
      "fixed: the seeds above and no others; sequential: further seeds one after another until the question is decided.",
    ),
  ),
  planned(
    text("max_seeds", "Most seeds", "A sequential plan ends with so many, decided or not."),
    ({ stopping }) => stopping === "sequential",
  ),
  planned(text("confidence", "Confidence", "One minus the share of studies without an effect that are decided falsely.")),
  { ...text("tags", "Tags", "Separated by commas; every run that is launched gets them."), kinds: BOTH },
  { ...text("notes", "Notes", "What you want to find out; every run that is launched gets them."), kinds: BOTH },
];
const EMPTY = { name: "from the settings", tags: "none", notes: "none", margin: "none", max_seeds: USUAL_MOST_SEEDS, confidence: USUAL_CONFIDENCE };

/** What a form that nobody has typed into holds. */
export const META = {
  name: "",
  tags: "",
  notes: "",
  seeds: "0",
  mode: "sequential",
  metric: "val/top1",
  question: "difference",
  margin: "",
  stopping: "fixed",
  max_seeds: "",
  confidence: "",
};

/** Name, tags, notes and, of a comparison, seeds, order and plan. `node` emits "edited". */
export function createMetaForm() {
  const fields = FIELDS.map((field) => ({ key: field.name, ...field, control: createField(field) }));
  let shownFor = "one";
  const node = element(html`<div class="group__fields group__fields--meta"></div>`);
  node.append(...fields.map(({ control }) => control.node));
  for (const { name, control } of fields) if (name in EMPTY) control.showDefault(EMPTY[name]);
  const textsNow = () => Object.fromEntries(fields.map(({ name, control }) => [name, control.text]));
  const showUsed = () => {
    const texts = textsNow();
    for (const { kinds, isUsed, control } of fields) {
      control.node.hidden = !(kinds.includes(shownFor) && (isUsed?.(texts) ?? true));
    }
  };
  node.addEventListener("input", () => {
    showUsed();
    node.dispatchEvent(new CustomEvent("edited"));
  });
  const belongs = (field) => (key) => key === field.key || key.startsWith(`${field.key}.`);
  const isWrong = (errors) => (field) => Object.keys(errors).some(belongs(field));
  return {
    node,
    get texts() {
      return textsNow();
    },
    set texts(texts) {
      for (const { name, control } of fields) control.text = texts[name] ?? META[name];
      showUsed();
    },
    showFor(kind) {
      shownFor = kind;
      showUsed();
    },
    expectAnswer(changed) {
      for (const { key, control } of fields) control.expectAnswer({ isChanged: changed.has(key) });
    },
    /** Shows what belongs to these fields and returns the rest. "seeds.0" belongs to "seeds". */
    showErrors(errors) {
      const of = (field) => Object.keys(errors).filter(belongs(field));
      for (const field of fields) field.control.showErrors(of(field).flatMap((key) => errors[key]));
      const mine = new Set(fields.flatMap(of));
      return Object.fromEntries(Object.entries(errors).filter(([key]) => !mine.has(key)));
    },
    /** The labels of the fields that have an error. */
    wrong: (errors) => fields.filter(isWrong(errors)).map(({ label }) => label),
    firstWrong: (errors) => fields.find(isWrong(errors))?.name,
    focus: (name) => fields.find((field) => field.name === name).control.focus(),
  };
}
