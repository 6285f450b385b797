import { DEFAULT_SORT, select, sorted } from "./run-list.js";
import { throttled } from "./throttle.js";

const ASKED_AT_ONCE = 250;
const TYPING_MS = 200;
const REFRESH_MS = 2000;

/**
 * The runs that a view {q, status, sort, rows} shows, in its order. Where the page holds all runs and nothing is searched
 * for, it sorts and filters by itself; else the service does, for it alone knows the rest and what a search means.
 * Dispatches "changed" when the service has answered.
 */
export class RunListing extends EventTarget {
  #api;
  #runs;
  #view = null;
  #answer = { key: null, ids: [], hasMore: false, error: null };
  #asking = null;
  #timer = null;
  #isTaking = false;
  #refresh = null;
  #isChanged = false;

  constructor({ api, runs, live, signal }) {
    super();
    this.#api = api;
    this.#runs = runs;
    // Asking that is under way is not given up for a change, or it would never end where changes are many.
    this.#refresh = throttled(() => (this.#asking ? this.#askAgain() : this.#ask()), REFRESH_MS, signal);
    const renew = () => this.#view && !this.#isOwn() && !this.#isTaking && !document.hidden && this.#refresh();
    runs.addEventListener("changed", renew, { signal });
    document.addEventListener("visibilitychange", renew, { signal });
    live.addEventListener("state", () => live.state === "live" && this.#answer.error && this.#ask(), { signal });
    signal.addEventListener("abort", () => this.#giveUp());
  }

  /** Takes another view; while it is typed the service is asked only after a pause. */
  show(view, { isTyped = false } = {}) {
    const before = this.#view;
    this.#view = { ...view };
    if (this.#isOwn() || (before && keyOf(before) === keyOf(view) && before.rows >= view.rows)) return;
    this.#giveUp();
    this.#timer = setTimeout(() => this.#ask(), isTyped ? TYPING_MS : 0);
  }

  /** {shown, hasMore, isReady, error}; `isReady` is false while what is shown belongs to the view before. */
  get found() {
    if (this.#isOwn()) return this.#held();
    const { key, ids, hasMore, error } = this.#answer;
    const isReady = key === keyOf(this.#view);
    // Until the first answer the newest runs that are held are what the service will say, where they are asked for.
    const isNewestFirst = !this.#view.q && this.#view.sort === DEFAULT_SORT;
    // Not all runs are held here, so there is more to ask for even when all held ones are on view.
    if (key === null && isNewestFirst) return { ...this.#held(), hasMore: true, isReady };
    const shown = ids.map((id) => this.#runs.get(id)).filter(Boolean);
    return { shown, hasMore, isReady, error };
  }

  #held() {
    const { status, sort, rows } = this.#view;
    const all = sorted(select(this.#runs.all(), { status }), sort);
    return { shown: all.slice(0, rows), hasMore: all.length > rows, isReady: this.#runs.isLoaded, error: null };
  }

  #isOwn() {
    const isHeld = !this.#runs.isLoaded || this.#runs.isComplete;
    return isHeld && !this.#view.q;
  }

  #giveUp() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = null;
  }

  #askAgain() {
    this.#isChanged = true;
  }

  async #ask() {
    if (!this.#view || this.#isOwn()) return;
    this.#giveUp();
    this.#isChanged = false;
    const asking = new AbortController();
    this.#asking = asking;
    const key = keyOf(this.#view);
    const answer = await this.#fetch(this.#view, asking.signal).then(
      (found) => ({ ...found, key, error: null }),
      // What was found before stays on view where the same is asked for once more.
      (error) => ({ ...(this.#answer.key === key ? this.#answer : { ids: [], hasMore: false }), key, error }),
    );
    if (this.#asking !== asking) return;
    this.#asking = null;
    this.#answer = answer;
    if (this.#isChanged) this.#refresh();
    this.dispatchEvent(new CustomEvent("changed"));
  }

  async #fetch({ q, status, sort, rows }, signal) {
    const ids = [];
    let next;
    do {
      const limit = Math.min(ASKED_AT_ONCE, rows - ids.length);
      const answer = await this.#api.runs({ q, status, sort, limit, cursor: next }, signal);
      this.#take(answer.items);
      ids.push(...answer.items.map((run) => run.id));
      next = answer.next;
    } while (next && ids.length < rows);
    return { ids, hasMore: Boolean(next) };
  }

  /** What came by our own asking is no reason to ask again. */
  #take(items) {
    this.#isTaking = true;
    this.#runs.putAll(items);
    this.#isTaking = false;
  }
}

const keyOf = ({ q, status, sort }) => JSON.stringify([q, status, sort]);
