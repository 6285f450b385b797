import { ROOT, withoutRoot } from "./base.js";

/** The pages by their paths below the service's own. The named groups become `params`. */
const ROUTES = [
  ["runs", /^\/(?:runs)?$/],
  ["new", /^\/new$/],
  ["run", /^\/runs\/(?<id>[^/]+)$/],
  ["compare", /^\/compare$/],
  ["comparison", /^\/comparisons\/(?<id>[^/]+)$/],
];

export function match(path) {
  const below = withoutRoot(path);
  const trimmed = below.length > 1 ? below.replace(/\/+$/, "") : below;
  for (const [page, pattern] of ROUTES) {
    const found = pattern.exec(trimmed);
    if (found) return { page, params: decoded(found.groups) };
  }
  return { page: "missing", params: {} };
}

function decoded(groups = {}) {
  const text = (value) => {
    try {
      return decodeURIComponent(value);
    } catch {
      return value;
    }
  };
  return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, text(value)]));
}

// Another service on the same site has other pages.
const KEPT = `resdrop.places${ROOT}`;
const PLACES_AT_MOST = 50;

/**
 * Everything on view stands in the address. Dispatches "navigated" when another page is to be shown; changes of the
 * query alone (filters, axis, smoothing) only rewrite the address, since the page that made them shows them already.
 *
 * How a page was left is its place: what `look()` says of the window, and what the page itself gave to `keep`. It
 * belongs to the entry of the history, so that going back finds it.
 */
export class Router extends EventTarget {
  #look;
  #places = new Map();
  #list = null;
  #entry = null;

  constructor({ look = () => ({}) } = {}) {
    super();
    this.#look = look;
  }

  start() {
    history.scrollRestoration = "manual";
    this.#recall();
    this.#enter(history.state?.key ?? newKey());
    document.addEventListener("click", (event) => this.#clicked(event));
    window.addEventListener("popstate", () => this.#popped());
    window.addEventListener("pagehide", () => this.#remember());
    this.#navigated();
  }

  get route() {
    return { ...match(location.pathname), query: new URLSearchParams(location.search) };
  }

  /** How the present entry of the history was left before; null where it is new. */
  get place() {
    return this.#places.get(this.#entry.key) ?? null;
  }

  keep(part) {
    const { key } = this.#entry;
    const place = { ...this.place, ...part };
    this.#places.delete(key);
    this.#places.set(key, place);
  }

  go(address, place = null) {
    this.#leave();
    history.pushState(null, "", address);
    this.#enter(newKey());
    if (place) this.keep(place);
    window.scrollTo(0, 0);
    this.#navigated();
  }

  /** To the list of runs as it was left. */
  goToList() {
    this.go(this.#list?.address ?? paths.runs, this.#list?.place);
  }

  /** Shows the present page anew. */
  refresh() {
    this.#leave();
    this.#navigated();
  }

  /** Sets or (null, "") removes parameters of the query, without a new entry in the history. */
  setQuery(changes) {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === undefined || value === "") query.delete(name);
      else query.set(name, value);
    }
    const search = query.toString().replaceAll("%2C", ",");
    history.replaceState(history.state, "", `${location.pathname}${search && `?${search}`}`);
    this.#entry.address = here();
  }

  #enter(key) {
    history.replaceState({ ...history.state, key }, "");
    this.#entry = { key, address: here(), page: this.route.page };
  }

  #leave() {
    this.keep(this.#look());
    if (this.#entry.page === "runs") this.#list = { address: this.#entry.address, place: this.place };
  }

  #popped() {
    // A jump to a part of the page, such as its content, is no other page.
    if (!history.state?.key && here() === this.#entry.address) return this.#enter(this.#entry.key);
    this.#leave();
    this.#enter(history.state?.key ?? newKey());
    return this.#navigated();
  }

  #navigated() {
    this.dispatchEvent(new CustomEvent("navigated"));
  }

  #remember() {
    this.#leave();
    try {
      const places = [...this.#places].slice(-PLACES_AT_MOST);
      sessionStorage.setItem(KEPT, JSON.stringify({ places, list: this.#list }));
    } catch {
      // Storage may be full or forbidden; then a page that is loaded anew begins at its top.
    }
  }

  #recall() {
    try {
      const { places, list } = JSON.parse(sessionStorage.getItem(KEPT));
      this.#places = new Map(places);
      this.#list = list;
    } catch {
      // Nothing was kept, or it may not be read.
    }
  }

  #clicked(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.getAttribute("href").startsWith("#") || match(link.pathname).page === "missing") return;
    event.preventDefault();
    if (link.hasAttribute("data-to-list")) this.goToList();
    else this.go(link.pathname + link.search);
  }
}

const here = () => location.pathname + location.search;
const newKey = () => Math.random().toString(36).slice(2);
const at = (id) => encodeURIComponent(id);

/** Addresses of pages. */
export const paths = {
  runs: `${ROOT}/runs`,
  new: `${ROOT}/new`,
  run: (id) => `${ROOT}/runs/${at(id)}`,
  clone: (id) => `${ROOT}/new?clone=${at(id)}`,
  compare: (ids = []) => `${ROOT}/compare${ids.length ? `?runs=${ids.map(at).join(",")}` : ""}`,
  comparison: (id) => `${ROOT}/comparisons/${at(id)}`,
};
