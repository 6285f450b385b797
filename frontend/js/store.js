import { isActive } from "./status.js";

/** All runs that this tab knows. Dispatches "changed" with `detail` {id}, or {} when everything may differ. */
export class RunStore extends EventTarget {
  #runs = new Map();
  #deleted = new Set();
  #needed = new Map();
  isLoaded = false;
  /** False while the service holds more runs than were fetched. */
  isComplete = true;

  get(id) {
    return this.#runs.get(id);
  }

  all() {
    return [...this.#runs.values()];
  }

  /**
   * Takes a fresh snapshot in place of everything held. One that reaches back only to `since` says nothing of the runs
   * before, but holds all of those that are active: what is held of the others stays.
   */
  load(runs, { since = null } = {}) {
    const fresh = new Map(runs.map((run) => [run.id, run]));
    if (since !== null) {
      const isBefore = (run) => run.created_at <= since && !isActive(run) && !fresh.has(run.id);
      this.all().filter(isBefore).forEach((run) => fresh.set(run.id, run));
    }
    this.#runs = fresh;
    this.isLoaded = true;
    this.isComplete = since === null;
    this.#changed();
  }

  /** Keeps the newer of what is held and what came; answers and events may overtake each other. */
  put(run) {
    if (this.#keep(run)) this.#changed(run.id);
  }

  putAll(runs) {
    if (runs.filter((run) => this.#keep(run)).length) this.#changed();
  }

  remove(id) {
    this.#deleted.add(id);
    if (this.#runs.delete(id)) this.#changed(id);
  }

  wasDeleted(id) {
    return this.#deleted.has(id);
  }

  /** A page shows these runs until `signal` aborts: each snapshot has to hold them, however old they are. */
  need(ids, signal) {
    const key = Symbol("page");
    this.#needed.set(key, ids);
    signal.addEventListener("abort", () => this.#needed.delete(key));
  }

  get needed() {
    return [...new Set([...this.#needed.values()].flat())];
  }

  #keep(run) {
    const held = this.#runs.get(run.id);
    if (this.#deleted.has(run.id) || (held && held.change > run.change)) return false;
    this.#runs.set(run.id, run);
    return true;
  }

  #changed(id) {
    this.dispatchEvent(new CustomEvent("changed", { detail: id ? { id } : {} }));
  }
}
