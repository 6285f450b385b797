import { settingsText, varied } from "../arms.js";
import { element, html, refs, setAttribute, setText } from "../html.js";
import { icon } from "../icons.js";
import { FEWEST_ARMS, MOST_ARMS } from "../limits.js";

const OWN = "own";

const form = (templates) => html`
  <div class="arms-form">
    <div class="field"><div class="field__head"><label for="f-template">Arms</label></div>
      <div class="field__control"><select id="f-template" data-ref="template" data-testid="field-template"
        aria-describedby="h-template">
        ${templates.map(({ name, title }) => html`<option value="${name}">${title}</option>`)}
        <option value="${OWN}">Your own</option></select></div>
      <p class="field__help" id="h-template" data-ref="help"></p></div>
    <ol class="arms-form__rows" data-ref="rows" aria-label="Arms"></ol>
    <p class="field__error" data-ref="error" data-testid="error-arms"></p>
    <div class="arms-form__more">
      <button type="button" class="button button--small" data-ref="add" data-testid="add-arm">Add an arm</button>
      <span class="arms-form__vary"><label for="f-vary">or one for each value of</label>
        <select id="f-vary" data-ref="setting" data-testid="vary-setting"></select>
        <input type="text" class="arms-form__values" data-ref="values" data-testid="vary-values"
          aria-label="Values, separated by commas" placeholder="0.9, 0.8, 0.65" autocomplete="off">
        <button type="button" class="button button--small" data-ref="vary" data-testid="vary">Make arms</button></span>
    </div>
  </div>`;

const row = () => html`
  <li class="arm" data-testid="arm">
    <div class="arm__fields">
      <input type="text" data-ref="name" data-testid="arm-name" autocomplete="off" spellcheck="false">
      <input type="text" data-ref="settings" data-testid="arm-settings" autocomplete="off" spellcheck="false"
        placeholder="setting=value, setting=value">
      <button type="button" class="icon-button" data-ref="remove" data-testid="arm-remove">${icon("close")}</button>
    </div>
    <p class="field__error" data-ref="error" data-testid="arm-error"></p>
  </li>`;

const HELP = "The first arm is the reference. Each changes these settings, and has the rest from the form below.";

/** The arms of a comparison, from a template or one's own. `node` emits "edited". Arms are {name, settings} texts. */
export function createArmsForm(templates, settingNames) {
  const node = element(form(templates));
  const { template, help, rows, error, add, setting, values, vary } = refs(node);
  let arms = [];
  setting.append(...settingNames.map((name) => element(html`<option value="${name}">${name}</option>`)));
  setting.value = "pL";
  const edited = () => node.dispatchEvent(new CustomEvent("edited"));

  function showRow(arm) {
    const item = element(row());
    const parts = refs(item);
    parts.name.value = arm.name;
    parts.settings.value = arm.settings;
    const changed = () => {
      Object.assign(arm, { name: parts.name.value, settings: parts.settings.value });
      markOwn();
      edited();
    };
    parts.name.addEventListener("input", changed);
    parts.settings.addEventListener("input", changed);
    parts.remove.addEventListener("click", () => {
      const index = arms.indexOf(arm);
      show(arms.filter((one) => one !== arm));
      markOwn();
      rows.children[Math.min(index, arms.length - 1)]?.querySelector("input").focus();
      edited();
    });
    return item;
  }

  function show(next) {
    arms = next;
    rows.replaceChildren(...arms.map(showRow));
    [...rows.children].forEach((item, index) => {
      const { name, settings, remove } = refs(item);
      const which = index === 0 ? "reference" : `arm ${index + 1}`;
      setAttribute(name, "aria-label", `Name of the ${which}`);
      setAttribute(settings, "aria-label", `Settings of the ${which}`);
      setAttribute(remove, "aria-label", `Remove the ${which}`);
      remove.disabled = arms.length <= FEWEST_ARMS;
    });
    add.disabled = arms.length >= MOST_ARMS;
  }

  function take(name) {
    const found = templates.find((one) => one.name === name);
    if (found) show(found.arms.map((arm) => ({ name: arm.name, settings: settingsText(arm.settings) })));
    template.value = found ? name : OWN;
    setText(help, found ? `${found.help} ${HELP}` : HELP);
  }

  function markOwn() {
    template.value = OWN;
    setText(help, HELP);
  }

  template.addEventListener("change", () => {
    take(template.value);
    edited();
  });
  add.addEventListener("click", () => {
    show([...arms, { name: "", settings: "" }]);
    markOwn();
    rows.lastElementChild.querySelector("input").focus();
    edited();
  });
  vary.addEventListener("click", () => {
    const made = varied(setting.value, values.value);
    if (!made.length) return values.focus();
    show(made);
    markOwn();
    return edited();
  });
  values.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    vary.click();
  });
  // The choice of a setting to vary is no part of the arms yet.
  for (const control of [setting, values]) control.addEventListener("input", (event) => event.stopPropagation());
  take(templates[0].name);

  return {
    node,
    get texts() {
      return { template: template.value, arms: arms.map((arm) => ({ ...arm })) };
    },
    set texts({ template: name, arms: written }) {
      take(name);
      show(written.map((arm) => ({ ...arm })));
    },
    /** Begins anew from the first template. */
    clear: () => take(templates[0].name),
    /** Shows what belongs to the arms and returns the rest; of "arms.1.settings.pL" the row is the second. */
    showErrors(errors) {
      const of = (place) => Object.keys(errors).filter((key) => key === place || key.startsWith(`${place}.`));
      [...rows.children].forEach((item, index) => {
        const sentences = of(`arms.${index}`).flatMap((key) => errors[key]);
        setText(refs(item).error, sentences.join(" "));
        for (const input of item.querySelectorAll("input")) setAttribute(input, "aria-invalid", sentences.length ? "true" : null);
      });
      const mine = new Set(arms.flatMap((_, index) => of(`arms.${index}`)));
      const loose = of("arms").filter((key) => !mine.has(key));
      setText(error, loose.flatMap((key) => errors[key]).join(" "));
      return Object.fromEntries(Object.entries(errors).filter(([key]) => !mine.has(key) && !loose.includes(key)));
    },
    isWrong: (errors) => Object.keys(errors).some((key) => key === "arms" || key.startsWith("arms.")),
    focus() {
      (rows.querySelector("[aria-invalid]") ?? template).focus();
    },
  };
}
