const KINDS = ["run", "points", "rewound", "deleted", "comparison", "log", "workers", "datasets"];
const OF_ONE_RUN = new Set(["points", "log"]);

// The service beats every 5 s; after three missed ones the connection is taken for dead, whatever the browser thinks.
const SILENCE_MS = 16_000;
const CHECK_MS = 2000;
const BACKOFF_MS = [250, 500, 1000, 2000, 4000, 8000];
// A tab further behind than this many changes loads its view anew, so that the others need not hear all of it again.
const FURTHEST_BEHIND = 2000;
// Tabs say every 10 s that they are there; browsers let a hidden one do so once a minute, a frozen one never.
const FORGET_MS = 180_000;
// Beyond so many runs it asks for the points of all: an address has its limits.
const MOST_NAMED = 200;

/**
 * The one event stream of all tabs that are connected to it by a MessagePort. Each tab has a place of its own in the
 * stream: it is told every event after the number that it came with, once, whatever the others know already.
 *
 * A tab says {type: "join", n, since, runs}, {type: "watch", n, runs}, "here", "retry" and "leave". It is told "ready"
 * {n} once what it asked for under that number is in force, "events" {id, events: [{kind, text}]}, "beat" {change,
 * offset}, "reset" (load the view anew and join again), "state" {state, lostAt} and, where it is not known, "gone".
 * Events, beats and resets carry as `as` the `n` of the join to which they belong.
 */
export class StreamHub {
  #url;
  #tabs = new Map();
  #source = null;
  /** Everything up to this number was told by the service. */
  #through = null;
  #watched = "";
  #lastId = "";
  #group = [];
  #failures = 0;
  #heardAt = 0;
  #timer = null;
  #state = "connecting";
  #lostAt = null;

  constructor(url) {
    this.#url = url;
    addEventListener("online", () => this.#retryNow());
    addEventListener("offline", () => this.#source && this.#lose());
    setInterval(() => this.#check(), CHECK_MS);
  }

  connect(port) {
    port.onmessage = ({ data }) => this.#hear(port, data);
  }

  #hear(port, message) {
    if (message.type === "join") return this.#join(port, message);
    const tab = this.#tabs.get(port);
    if (message.type === "leave") return this.#leave(port);
    if (!tab) return port.postMessage({ type: "gone" });
    tab.heardAt = Date.now();
    if (message.type === "watch") return this.#watch(port, tab, message);
    if (message.type === "retry") this.#retryNow();
    return port.postMessage({ type: "here" });
  }

  #join(port, { n, since, runs }) {
    port.postMessage({ type: "state", state: this.#state, lostAt: this.#lostAt });
    if (this.#state === "live" && this.#through - since > FURTHEST_BEHIND) {
      this.#tabs.delete(port);
      port.postMessage({ type: "reset", as: n });
      return;
    }
    this.#tabs.set(port, { as: n, since, runs: new Set(runs), heardAt: Date.now() });
    const from = Math.min(since, this.#through ?? since);
    if (!this.#source || from < this.#through || this.#wanted() !== this.#watched) this.#open(from);
    port.postMessage({ type: "ready", n });
  }

  #watch(port, tab, { n, runs }) {
    tab.runs = new Set(runs);
    // The stream that told less is closed before the tab fetches what the new one continues, so nothing falls between.
    if (this.#wanted() !== this.#watched) this.#open(this.#through);
    port.postMessage({ type: "ready", n });
  }

  #leave(port) {
    this.#tabs.delete(port);
    if (this.#tabs.size) return;
    this.#close();
    this.#through = null;
  }

  #wanted() {
    const all = [...new Set([...this.#tabs.values()].flatMap(({ runs }) => [...runs]))].sort();
    return all.length > MOST_NAMED ? "*" : all.join(",");
  }

  #open(since) {
    this.#close();
    this.#through = since;
    this.#watched = this.#wanted();
    this.#lastId = "";
    this.#group = [];
    this.#heardAt = Date.now();
    const source = new EventSource(`${this.#url}?${new URLSearchParams({ since, runs: this.#watched })}`);
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
    const runId = OF_ONE_RUN.has(kind) ? (JSON.parse(event.data).run_id ?? null) : null;
    this.#group.push({ kind, text: event.data, runId });
    if (event.lastEventId === this.#lastId) return;
    // Of the events of one number only the last carries it as id; until then they wait, so that each is known by its
    // number, and a connection that breaks within a number is told all of it again.
    this.#lastId = event.lastEventId;
    const id = Number(event.lastEventId);
    this.#through = Math.max(this.#through, id);
    for (const [port, tab] of this.#tabs) if (id > tab.since) this.#deliver(port, tab, id);
    this.#group = [];
  }

  #deliver(port, tab, id) {
    tab.since = id;
    const events = this.#group
      .filter(({ runId }) => runId === null || tab.runs.has(runId))
      .map(({ kind, text }) => ({ kind, text }));
    if (events.length) port.postMessage({ type: "events", as: tab.as, id, events });
  }

  /** A beat comes after everything up to its number. */
  #beat({ change, time }) {
    this.#heard();
    const offset = time ? Date.parse(time) - Date.now() : null;
    this.#through = Math.max(this.#through, change ?? 0);
    for (const [port, tab] of this.#tabs) {
      tab.since = Math.max(tab.since, change ?? 0);
      port.postMessage({ type: "beat", as: tab.as, change: change ?? 0, offset });
    }
  }

  /** Nobody can be told what came since: all load their view anew, and begin again with what that shows. */
  #reset() {
    const tabs = [...this.#tabs];
    this.#tabs.clear();
    this.#close();
    this.#through = null;
    for (const [port, { as }] of tabs) port.postMessage({ type: "reset", as });
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
    if (this.#state !== "lost") this.#lostAt = Date.now();
    this.#setState("lost");
    this.#timer = setTimeout(() => this.#retryNow(), pause * (0.75 + Math.random() / 2));
  }

  #retryNow() {
    if (!this.#source && this.#tabs.size) this.#open(this.#through);
  }

  #check() {
    if (this.#source && Date.now() - this.#heardAt > SILENCE_MS) this.#lose();
    for (const [port, { heardAt }] of this.#tabs) if (Date.now() - heardAt > FORGET_MS) this.#leave(port);
  }

  #setState(state) {
    if (this.#state === state) return;
    this.#state = state;
    for (const port of this.#tabs.keys()) port.postMessage({ type: "state", state, lostAt: this.#lostAt });
  }
}
