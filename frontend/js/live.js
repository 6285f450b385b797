import { setServerOffset } from "./clock.js";
import { openStream } from "./stream-port.js";

const BACKOFF_MS = [250, 500, 1000, 2000, 4000, 8000];
const HERE_MS = 10_000;
const ANSWER_MS = 5000;
// A tab that has a stream of its own gives it up when nobody looks at it; one that shares another's needs not.
const HIDDEN_MS = 60_000;

/**
 * This tab's part of the event stream that all tabs share (see StreamHub). Dispatches the service's events under their
 * own names, with `detail` {id, data}, and "state" ("connecting", "live" or "lost"). `snapshot()` reloads what the page
 * holds and resolves to its change number; it runs at the start and whenever the service says that it cannot continue
 * from our number ("reset").
 */
export class Live extends EventTarget {
  #url;
  #snapshot;
  #port = null;
  #isShared = true;
  #since = null;
  /** The number of the last thing asked of the hub, of the last that is in force, and of the last join. */
  #asked = 0;
  #inForce = 0;
  #joinedAs = null;
  #waiting = [];
  #watchers = new Map();
  #watched = "";
  #failures = 0;
  #heardAt = 0;
  #calledAt = null;
  #timer = null;
  #hiddenTimer = null;
  #ready = withResolvers();
  state = "connecting";
  /** What the service itself said against us (that a token is missing, say); null while it merely doesn't answer. */
  problem = null;
  lostAt = null;

  constructor({ url, snapshot }) {
    super();
    this.#url = new URL(url, location.href).href;
    this.#snapshot = snapshot;
  }

  start() {
    window.addEventListener("pagehide", () => this.#detach());
    window.addEventListener("pageshow", (event) => event.persisted && this.#connect());
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
    setInterval(() => this.#call(), HERE_MS);
    this.#attach();
    this.#visibilityChanged();
    return this.#reload();
  }

  /**
   * Asks for the points and log lines of these runs until `signal` aborts. Resolves once they are in the stream: a
   * snapshot fetched after that is never older than the stream's place, so nothing falls between the two.
   */
  async watch(runIds, signal) {
    const key = Symbol("watcher");
    this.#watchers.set(key, runIds);
    signal.addEventListener("abort", () => {
      this.#watchers.delete(key);
      queueMicrotask(() => this.#rewatch());
    });
    await this.#ready.promise;
    await this.#rewatch();
  }

  #wanted() {
    return [...new Set([...this.#watchers.values()].flat())].sort();
  }

  /** Resolves when what is wanted at present is in force. */
  #rewatch() {
    const runs = this.#wanted();
    if (this.#joinedAs !== null && runs.join() !== this.#watched) {
      this.#watched = runs.join();
      this.#asked += 1;
      this.#port?.postMessage({ type: "watch", n: this.#asked, runs });
    }
    const number = this.#joinedAs === null ? this.#asked + 1 : this.#asked;
    return number <= this.#inForce
      ? Promise.resolve()
      : new Promise((resolve) => this.#waiting.push({ number, resolve }));
  }

  #attach() {
    this.#detach();
    const { port, isShared } = openStream(this.#url, () => this.#port === port && this.#connect());
    this.#port = port;
    this.#isShared = isShared;
    this.#calledAt = null;
    port.onmessage = ({ data }) => this.#port === port && this.#hear(data);
  }

  #detach() {
    this.#joinedAs = null;
    this.#port?.postMessage({ type: "leave" });
    this.#port?.close();
    this.#port = null;
  }

  /** Makes a new connection to the hub, or to a new hub, and goes on from where this tab is. */
  #connect() {
    this.#attach();
    if (this.#since !== null) this.#join();
  }

  #join() {
    const runs = this.#wanted();
    this.#watched = runs.join();
    this.#asked += 1;
    this.#joinedAs = this.#asked;
    this.#port?.postMessage({ type: "join", n: this.#asked, since: this.#since, runs });
  }

  async #reload() {
    this.#joinedAs = null;
    clearTimeout(this.#timer);
    try {
      this.#since = await this.#snapshot();
      this.problem = null;
      this.#failures = 0;
    } catch (error) {
      this.problem = error.status ? error.message : null;
      this.#since = null;
      this.#retryLater();
      return;
    }
    this.#join();
    this.#ready.resolve();
  }

  #retryLater() {
    const pause = BACKOFF_MS[Math.min(this.#failures, BACKOFF_MS.length - 1)];
    this.#failures += 1;
    this.#setState("lost", this.lostAt ?? Date.now());
    this.#timer = setTimeout(() => this.#reload(), pause * (0.75 + Math.random() / 2));
  }

  #hear(message) {
    this.#heardAt = Date.now();
    if (message.type === "gone") return this.#since !== null && this.#joinedAs !== null && this.#join();
    if (message.type === "state") return this.#since !== null && this.#setState(message.state, message.lostAt);
    if (message.type === "ready") return this.#settle(message.n);
    if (message.as !== this.#joinedAs) return undefined;
    if (message.type === "events") return this.#pass(message);
    if (message.type === "beat") return this.#beat(message);
    return message.type === "reset" && this.#reset();
  }

  #settle(number) {
    this.#inForce = number;
    const settled = this.#waiting.filter((one) => one.number <= number);
    this.#waiting = this.#waiting.filter((one) => one.number > number);
    settled.forEach(({ resolve }) => resolve());
  }

  #pass({ id, events }) {
    this.#since = Math.max(this.#since, id);
    for (const { kind, text } of events) {
      this.dispatchEvent(new CustomEvent(kind, { detail: { id, data: JSON.parse(text) } }));
    }
  }

  #beat({ change, offset }) {
    this.#since = Math.max(this.#since, change);
    if (offset !== null) setServerOffset(offset);
    this.dispatchEvent(new CustomEvent("beat"));
  }

  async #reset() {
    await this.#reload();
    if (this.#joinedAs !== null) this.dispatchEvent(new CustomEvent("reset"));
  }

  /** Says that the tab is there. A hub that does not answer has ended with its process: there will be a new one. */
  #call() {
    if (!this.#port) return;
    const now = Date.now();
    const isUnanswered = this.#calledAt !== null && this.#heardAt < this.#calledAt;
    if (isUnanswered && now - this.#calledAt > ANSWER_MS) {
      this.#connect();
      return;
    }
    if (!isUnanswered) this.#calledAt = now;
    if (this.#joinedAs !== null) this.#port.postMessage({ type: "here" });
    else this.#calledAt = null;
  }

  #visibilityChanged() {
    clearTimeout(this.#hiddenTimer);
    if (document.hidden) {
      this.#hiddenTimer = setTimeout(() => !this.#isShared && this.#detach(), HIDDEN_MS);
    } else if (!this.#port) {
      this.#connect();
    } else if (this.#joinedAs !== null) {
      this.#port.postMessage({ type: "retry" });
    }
  }

  #setState(state, lostAt) {
    this.lostAt = lostAt;
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
