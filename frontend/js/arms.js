/** The arms of a comparison as a person writes them: a name, and settings such as "sd=true, pL=0.8". */

const WORDS = { true: true, false: false, none: null, null: null };
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The settings that a text names. One without a value has an empty one, which the service refuses by its name. */
export function settingsOf(text) {
  const parts = text.split(",").map((part) => part.trim());
  return Object.fromEntries(
    parts.filter(Boolean).map((part) => {
      const at = part.indexOf("=");
      return at < 0 ? [part, ""] : [part.slice(0, at).trim(), valueOf(part.slice(at + 1).trim())];
    }),
  );
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
