/** Follows `$ref` and the nullable `anyOf` of a JSON Schema property down to the part that names the type. */
function typeOf(property, definitions) {
  const parts = property.anyOf ?? [property];
  const isNullable = parts.some((part) => part.type === "null");
  const part = parts.find((one) => one.type !== "null") ?? {};
  const named = part.$ref ? definitions[part.$ref.split("/").at(-1)] : part;
  return { ...named, isNullable };
}

function kindOf(type) {
  if (type.enum) return "choice";
  if (type.const !== undefined) return "constant";
  return { boolean: "flag", integer: "integer", number: "number" }[type.type] ?? "text";
}

function limits(type) {
  const found = [];
  if (type.minimum !== undefined) found.push(`at least ${type.minimum}`);
  if (type.exclusiveMinimum !== undefined) found.push(`above ${type.exclusiveMinimum}`);
  // A bound that only says "fits into the machine" tells a person nothing.
  if (type.maximum !== undefined && Math.abs(Number(type.maximum)) < 2 ** 53) found.push(`at most ${type.maximum}`);
  if (type.exclusiveMaximum !== undefined) found.push(`below ${type.exclusiveMaximum}`);
  return found.join(", ");
}

/** The form's fields from `GET /schema`, in its order: [{name, group, label, help, unit, kind, choices, ...}]. */
export function fieldsOf({ schema }) {
  return Object.entries(schema.properties).map(([name, property]) => {
    const type = typeOf(property, schema.$defs ?? {});
    return {
      name,
      group: property.group,
      label: property.label ?? name,
      help: property.description ?? "",
      unit: property.unit ?? "",
      isAdvanced: property.advanced === true,
      isNullable: type.isNullable,
      kind: kindOf(type),
      choices: type.enum ?? (type.const === undefined ? [] : [type.const]),
      limits: limits(type),
      default: property.default ?? null,
    };
  });
}

/** What the field's control shows for a value of the configuration. */
export function typed(value) {
  if (value === null || value === undefined) return "";
  return String(value);
}

/** Decimal digits only, or an exponent; anything else goes to the service as it was typed, and it says why not. */
function asNumber(text) {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return text;
  const value = Number(text);
  const isExact = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value);
  return isExact ? value : text;
}

/** The setting that a control's text stands for. */
export function settingOf(field, text) {
  const trimmed = text.trim();
  if (trimmed === "") return field.isNullable ? null : "";
  if (field.kind === "flag") return trimmed === "true";
  if (field.kind === "choice" || field.kind === "constant") {
    return field.choices.find((choice) => String(choice) === trimmed) ?? trimmed;
  }
  return field.kind === "text" ? trimmed : asNumber(trimmed);
}

/** The configuration that the texts of all controls stand for. */
export function configOf(fields, texts) {
  return Object.fromEntries(fields.map((field) => [field.name, settingOf(field, texts[field.name] ?? "")]));
}

/** The texts that show `config`; what it leaves out takes the default. */
export function textsOf(fields, config = {}) {
  return Object.fromEntries(fields.map(({ name, default: fallback }) => [name, typed(config[name] ?? fallback)]));
}

/** "a, b" -> ["a", "b"]. A tag that is `standing` on the run already stays whole, even with a comma in it. */
export function tagsOf(text, standing = []) {
  const whole = standing.filter((tag) => tag.includes(",")).sort((one, other) => other.length - one.length);
  const found = new Set();
  let rest = text.trim();
  while (rest) {
    const isNext = (tag) => rest.startsWith(tag) && /^\s*(,|$)/.test(rest.slice(tag.length));
    const tag = whole.find(isNext) ?? rest.split(",", 1)[0];
    if (tag.trim()) found.add(tag.trim());
    rest = rest.slice(tag.length).replace(/^\s*,?\s*/, "");
  }
  return [...found];
}
