import { StreamHub } from "./stream-hub.js";

// The name of a worker is part of what it is: after an upgrade of the page, which is another address, there is another.
const WORKER = new URL("./stream-worker.js", import.meta.url);
const TRIES = 2;

let failures = 0;

/**
 * A port to the StreamHub that all tabs share, {port, isShared: true}; to one of this tab alone where the browser has no
 * shared workers (some of telephones, which show a tab or two) or they failed before. `onFailure` is called when it is
 * known to have failed.
 */
export function openStream(url, onFailure) {
  if (!globalThis.SharedWorker || failures >= TRIES) return openOwn(url);
  const worker = new SharedWorker(WORKER, { type: "module", name: url });
  worker.addEventListener("error", () => {
    failures += 1;
    onFailure();
  });
  worker.port.addEventListener("close", onFailure);
  return { port: worker.port, isShared: true };
}

let own = null;

function openOwn(url) {
  own ??= new StreamHub(url);
  const { port1, port2 } = new MessageChannel();
  own.connect(port1);
  return { port: port2, isShared: false };
}
