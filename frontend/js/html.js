/** Text that is already safe as HTML; only `html` and `trusted` make it. */
class Markup {
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }
}

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function escape(value) {
  return String(value).replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

function safe(value) {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(safe).join("");
  if (value === null || value === undefined || value === false) return "";
  return escape(value);
}

/** Template tag: every interpolated value is escaped, except markup made by this tag. Quote all attributes. */
export function html(strings, ...values) {
  return new Markup(strings.reduce((text, part, index) => text + safe(values[index - 1]) + part));
}

/** For literals of our own source (icons); never for anything that came over the network. */
export function trusted(text) {
  return new Markup(text);
}

export function fragment(markup) {
  const template = document.createElement("template");
  template.innerHTML = safe(markup);
  return template.content;
}

/** The first element of the markup. */
export function element(markup) {
  return fragment(html`${markup}`).firstElementChild;
}

export function fill(target, markup) {
  target.replaceChildren(fragment(markup));
  return target;
}

/** The elements below `root` that carry `data-ref`, by that name. */
export function refs(root) {
  const found = {};
  for (const node of root.querySelectorAll("[data-ref]")) found[node.dataset.ref] = node;
  return found;
}

/** Sets the text only where it differs, so that a live page touches nothing that stays the same. */
export function setText(node, text) {
  const shown = text ?? "";
  if (node.textContent !== String(shown)) node.textContent = shown;
}

export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}
