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
