const ROW = "[data-run]";

/** Where the window stands in `content`: how far down and, so that rows which come above move nothing, by which row. */
export function placeIn(content) {
  const y = Math.round(window.scrollY);
  const row = y ? [...content.querySelectorAll(ROW)].find((one) => one.getBoundingClientRect().bottom > 0) : null;
  return { y, row: row && { id: row.dataset.run, top: Math.round(row.getBoundingClientRect().top) } };
}

/**
 * Brings the window back to that place. What it lies in may still be loading, so each time the content grows it is tried
 * again, until it is reached, the user moves by themselves, or `signal` aborts.
 */
export function returnTo({ y, row }, content, signal) {
  const done = new AbortController();
  signal.addEventListener("abort", () => done.abort(), { signal: done.signal });
  const grown = new ResizeObserver(() => reach() && done.abort());
  done.signal.addEventListener("abort", () => grown.disconnect());
  for (const moved of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    window.addEventListener(moved, () => done.abort(), { signal: done.signal, passive: true });
  }
  function reach() {
    const found = row && content.querySelector(`[data-run="${CSS.escape(row.id)}"]`);
    const wanted = found ? window.scrollY + found.getBoundingClientRect().top - row.top : y;
    window.scrollTo(0, wanted);
    return Math.abs(window.scrollY - wanted) <= 1;
  }
  grown.observe(content);
}
