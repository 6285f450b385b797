import { Unreachable } from "./api.js";

/** Calls `again` once the service can be reached, where `error` says that it could not be. */
export function onceReachable(error, again, { live, signal }) {
  if (!(error instanceof Unreachable)) return;
  const heard = new AbortController();
  signal.addEventListener("abort", () => heard.abort());
  const listen = () => {
    if (live.state !== "live") return;
    heard.abort();
    again();
  };
  live.addEventListener("state", listen, { signal: heard.signal });
}

const MOST_ASKED = 8;
const FIRST_PAUSE = 25;

/**
 * What `ask` answers, asked again where `isOvertaken` says that the stream has told of later things meanwhile; after
 * ever longer pauses, in all three seconds, while somebody deletes run after run.
 */
export async function upToDate(ask, isOvertaken) {
  let answer = await ask();
  for (let asked = 1; asked < MOST_ASKED && isOvertaken(answer); asked += 1) {
    await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE * 2 ** (asked - 1)));
    answer = await ask();
  }
  return answer;
}
