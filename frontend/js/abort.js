/** A controller for a part of a page that may be taken down before the page is. */
export function childController(signal) {
  const child = new AbortController();
  signal.addEventListener("abort", () => child.abort(), { signal: child.signal });
  return child;
}
