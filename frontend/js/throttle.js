/** A function that calls `draw` at once and then at most every `pause` milliseconds, until `signal` aborts. */
export function throttled(draw, pause, signal) {
  let timer = null;
  let last = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));
  return () => {
    if (timer) return;
    timer = setTimeout(
      () => {
        timer = null;
        last = performance.now();
        draw();
      },
      Math.max(0, last + pause - performance.now()),
    );
  };
}
