const PAUSE_MS = 250;

/**
 * Asks the service what it thinks of a draft, and shows an answer only while the draft is the very one that it was
 * asked about. `ask(draft, signal)` resolves to the answer or throws. `show` gets {state: "asking", changed} as soon as
 * the draft differs, `changed` being the names in which it does, then {state: "good", answer} or {state: "bad", error}.
 */
export class SettingsCheck {
  #ask;
  #show;
  #draft = null;
  #asking = null;
  #timer = null;
  #isUnanswered = false;

  constructor({ ask, show, signal }) {
    this.#ask = ask;
    this.#show = show;
    signal.addEventListener("abort", () => this.#giveUp());
  }

  /** `draft` is what the form holds now. While it is typed the service is asked only after a pause. */
  take(draft, { isTyped = false } = {}) {
    const changed = differing(this.#draft, draft);
    if (this.#draft && !changed.size) return;
    this.#giveUp();
    this.#draft = structuredClone(draft);
    this.#show({ state: "asking", changed });
    if (isTyped) this.#timer = setTimeout(() => this.#askNow(), PAUSE_MS);
    else this.#askNow();
  }

  /** Asks again where the service gave no answer. */
  retry() {
    if (this.#isUnanswered) this.#askNow();
  }

  /** `draft` was launched and refused; returns false where another has been typed meanwhile, of which that says nothing. */
  refused(draft, error) {
    if (differing(this.#draft, draft).size) return false;
    this.#giveUp();
    this.#show({ state: "bad", error });
    return true;
  }

  #giveUp() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = null;
    this.#isUnanswered = false;
  }

  async #askNow() {
    this.#giveUp();
    const asking = new AbortController();
    this.#asking = asking;
    const outcome = await this.#ask(this.#draft, asking.signal).then(
      (answer) => ({ state: "good", answer }),
      (error) => ({ state: "bad", error }),
    );
    if (this.#asking !== asking) return;
    this.#asking = null;
    this.#isUnanswered = outcome.state === "bad" && outcome.error.status !== 422;
    this.#show(outcome);
  }
}

/** The names in which two drafts differ; those of settings begin with "config.", those of a plan with "plan.". */
function differing(before, after) {
  const [one, other] = [named(before), named(after)];
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return new Set([...names].filter((name) => JSON.stringify(one[name]) !== JSON.stringify(other[name])));
}

function named(draft) {
  const { config = {}, plan = {}, ...rest } = draft ?? {};
  const below = (place, fields) => Object.entries(fields).map(([name, value]) => [`${place}.${name}`, value]);
  return { ...rest, ...Object.fromEntries([...below("config", config), ...below("plan", plan)]) };
}
