const KINDS = ["run", "points", "rewound", "deleted", "comparison", "log", "workers", "datasets"];

// The service beats every 5 s; after three missed ones the connection is taken for dead, whatever the browser thinks.
const SILENCE_MS = 16_000;
const BACKOFF_MS = [250, 500, 1000, 2000, 4000, 8000];
// Browsers allow six connections to one HTTP/1.1 host, so a tab that nobody looks at gives its own back.
const HIDDEN_MS = 60_000;

/**
 * The tab's one event stream. Dispatches the service's events under their own names, with `detail` {id, data}, and
 * "state" ("connecting", "live" or "lost"). `snapshot()` reloads what the page holds and resolves to its change number;
 * it runs at the start and whenever the service says that it cannot continue from our number ("reset").
 */
export class Live extends EventTarget {
  #url;
  #snapshot;
  #source = null;
  #since = null;
  #lastId = "";
  #group = [];
  #watchers = new Map();
  #watched = "";
  #failures = 0;
  #heardAt = 0;
  #timer = null;
  #hiddenTimer = null;
  #ready = withResolvers();
  state = "connecting";
  /** What the service itself said against us (that a token is missing, say); null while it merely doesn't answer. */
  problem = null;
  lostAt = null;
  /** Milliseconds by which the service's clock is ahead of ours. */
  clockOffset = 0;

  constructor({ url, snapshot }) {
    super();
    this.#url = url;
    this.#snapshot = snapshot;
  }

  start() {
    window.addEventListener("online", () => this.#retryNow());
    window.addEventListener("offline", () => this.#lose());
    window.addEventListener("pagehide", () => this.#close());
    window.addEventListener("pageshow", (event) => event.persisted && this.#retryNow());
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
    setInterval(() => this.#checkSilence(), 2000);
    return this.#reload();
  }

  serverNow() {
    return Date.now() + this.clockOffset;
  }

  /**
   * Asks for the points and log lines of these runs until `signal` aborts. Resolves once the stream's starting number
   * stands: a snapshot fetched after that is never older than the stream, so nothing falls between the two.
   */
  async watch(runIds, signal) {
    const key = Symbol("watcher");
    this.#watchers.set(key, runIds);
    signal.addEventListener("abort", () => {
      this.#watchers.delete(key);
      queueMicrotask(() => this.#rewatch());
    });
    await this.#ready.promise;
    this.#rewatch();
  }

  #wanted() {
    return [...new Set([...this.#watchers.values()].flat())].sort().join(",");
  }

  #rewatch() {
    if (this.#source && this.#wanted() !== this.#watched) this.#open();
  }

  async #reload() {
    this.#close();
    try {
      this.#since = await this.#snapshot();
      this.problem = null;
    } catch (error) {
      this.problem = error.status ? error.message : null;
      this.#lose();
      return;
    }
    this.#ready.resolve();
    this.#open();
  }

  #open() {
    this.#close();
    this.#watched = this.#wanted();
    this.#lastId = "";
    this.#group = [];
    this.#heardAt = Date.now();
    const source = new EventSource(`${this.#url}?${new URLSearchParams({ since: this.#since, runs: this.#watched })}`);
    this.#source = source;
    source.addEventListener("open", () => this.#heard());
    source.addEventListener("error", () => this.#source === source && this.#lose());
    source.addEventListener("beat", (event) => this.#beat(JSON.parse(event.data)));
    source.addEventListener("reset", () => this.#reset());
    for (const kind of KINDS) source.addEventListener(kind, (event) => this.#pass(kind, event));
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #pass(kind, event) {
    this.#heard();
    this.#group.push({ kind, data: JSON.parse(event.data) });
    if (event.lastEventId === this.#lastId) return;
    // Of the events of one number only the last carries it as id; until then they wait, so that each is known by its
    // number, and a connection that breaks within a number is told all of it again.
    this.#lastId = event.lastEventId;
    const id = Number(event.lastEventId);
    this.#since = Math.max(this.#since, id);
    const group = this.#group;
    this.#group = [];
    for (const part of group) this.dispatchEvent(new CustomEvent(part.kind, { detail: { id, data: part.data } }));
  }

  #beat({ time }) {
    this.#heard();
    if (time) this.clockOffset = Date.parse(time) - Date.now();
    this.dispatchEvent(new CustomEvent("beat"));
  }

  async #reset() {
    await this.#reload();
    if (this.#source) this.dispatchEvent(new CustomEvent("reset"));
  }

  #heard() {
    this.#heardAt = Date.now();
    this.#failures = 0;
    this.#setState("live");
  }

  /** Gives the connection up and tries again after a pause that grows. */
  #lose() {
    this.#close();
    const pause = BACKOFF_MS[Math.min(this.#failures, BACKOFF_MS.length - 1)];
    this.#failures += 1;
    if (this.state !== "lost") this.lostAt = Date.now();
    this.#setState("lost");
    this.#timer = setTimeout(() => this.#retryNow(), pause * (0.75 + Math.random() / 2));
  }

  #retryNow() {
    if (this.#since === null) this.#reload();
    else this.#open();
  }

  #checkSilence() {
    if (this.#source && Date.now() - this.#heardAt > SILENCE_MS) this.#lose();
  }

  #visibilityChanged() {
    clearTimeout(this.#hiddenTimer);
    if (document.hidden) this.#hiddenTimer = setTimeout(() => this.#close(), HIDDEN_MS);
    else if (!this.#source) this.#retryNow();
  }

  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state"));
  }
}

function withResolvers() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}
