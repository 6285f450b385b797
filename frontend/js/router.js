/** The pages by their paths. The named groups become `params`. */
const ROUTES = [
  ["runs", /^\/(?:runs)?$/],
  ["new", /^\/new$/],
  ["run", /^\/runs\/(?<id>[^/]+)$/],
  ["compare", /^\/compare$/],
  ["comparison", /^\/comparisons\/(?<id>[^/]+)$/],
];

export function match(path) {
  const trimmed = path.length > 1 ? path.replace(/\/+$/, "") : path;
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

/**
 * Everything on view stands in the address. Dispatches "navigated" when another page is to be shown; changes of the
 * query alone (filters, axis, smoothing) only rewrite the address, since the page that made them shows them already.
 */
export class Router extends EventTarget {
  start() {
    document.addEventListener("click", (event) => this.#clicked(event));
    window.addEventListener("popstate", () => this.#navigated());
    this.#navigated();
  }

  get route() {
    return { ...match(location.pathname), query: new URLSearchParams(location.search) };
  }

  go(address) {
    history.pushState(null, "", address);
    window.scrollTo(0, 0);
    this.#navigated();
  }

  /** Shows the present page anew. */
  refresh() {
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
    history.replaceState(null, "", `${location.pathname}${search && `?${search}`}`);
  }

  #navigated() {
    this.dispatchEvent(new CustomEvent("navigated"));
  }

  #clicked(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.getAttribute("href").startsWith("#") || match(link.pathname).page === "missing") return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

const at = (id) => encodeURIComponent(id);

/** Addresses of pages. */
export const paths = {
  runs: "/runs",
  new: "/new",
  run: (id) => `/runs/${at(id)}`,
  clone: (id) => `/new?clone=${at(id)}`,
  compare: (ids = []) => (ids.length ? `/compare?runs=${ids.map(at).join(",")}` : "/compare"),
  comparison: (id) => `/comparisons/${at(id)}`,
};
