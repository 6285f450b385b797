/** The arms of a comparison as a person writes them: a name, and settings such as "sd=true, pL=0.8". */

const WORDS = { true: true, false: false, none: null, null: null };
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * The settings that a text names. One without a value has an empty one, and one that is there twice both as a text: the
 * service refuses either by its name.
 */
export function settingsOf(text) {
  const texts = new Map();
  for (const part of text.split(",").map((one) => one.trim()).filter(Boolean)) {
    const [name, ...rest] = part.split("=");
    const value = rest.join("=").trim();
    const key = name.trim();
    texts.set(key, [...(texts.get(key) ?? []), value]);
  }
  const values = [...texts].map(([name, found]) => [name, found.length > 1 ? found.join(" and ") : valueOf(found[0])]);
  return Object.fromEntries(values);
}

function valueOf(text) {
  if (Object.hasOwn(WORDS, text.toLowerCase())) return WORDS[text.toLowerCase()];
  if (!NUMBER.test(text)) return text;
  const value = Number(text);
  return Number.isSafeInteger(value) || !Number.isInteger(value) ? value : text;
}

/** The text of an arm's settings; `settingsOf` reads it back. */
export const settingsText = (settings) =>
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value === null ? "none" : value}`)
    .join(", ");

/** An arm for each value of one setting, such as "0.9, 0.8, 0.65"; the first is the reference. */
export const varied = (setting, values) =>
  values
    .split(",")
    .map((value) => value.trim())
    .filter(Boolean)
    .map((value) => ({ name: `${setting} ${value}`, settings: `${setting}=${value}` }));

/** What every arm sets itself: the form's own values for these count for none of them. */
export function setByAll(arms) {
  const [first, ...others] = arms.map(({ settings }) => Object.keys(settingsOf(settings)));
  return first?.filter((name) => others.every((names) => names.includes(name))) ?? [];
}
