// Times of the service are compared with the service's clock alone: this machine's may be minutes off.

let ahead = 0;
let isExact = false;

/** The service's clock, in milliseconds as Date.now() gives them. */
export function serverNow() {
  return Date.now() + ahead;
}

/** Takes by how many milliseconds the service's clock is ahead of ours, as the stream measured it. */
export function setServerOffset(milliseconds) {
  if (!Number.isFinite(milliseconds)) return;
  ahead = milliseconds;
  isExact = true;
}

/** The same from an answer's Date header, which tells whole seconds, until something better is known. */
export function guessServerTime(header) {
  if (!isExact && header) ahead = Date.parse(header) - Date.now() || 0;
}
