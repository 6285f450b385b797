/** All runs that this tab knows. Dispatches "changed" with `detail` {id}, or {} when everything may differ. */
export class RunStore extends EventTarget {
  #runs = new Map();
  #deleted = new Set();
  isLoaded = false;
  /** False while the service holds more runs than were fetched. */
  isComplete = true;

  get(id) {
    return this.#runs.get(id);
  }

  all() {
    return [...this.#runs.values()];
  }

  /** Takes a fresh snapshot in place of everything held. */
  load(runs, { isComplete = true } = {}) {
    this.#runs = new Map(runs.map((run) => [run.id, run]));
    this.isLoaded = true;
    this.isComplete = isComplete;
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
