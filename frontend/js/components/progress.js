import { duration, epochs, trainingTime } from "../format.js";
import { element, html, refs, setAttribute, setText } from "../html.js";
import { done } from "../run-words.js";
import { isLive } from "../status.js";

function remaining(run) {
  const { eta_seconds: eta } = run.progress;
  if (eta !== null && eta !== undefined && isLive(run)) return `${duration(eta)} left`;
  return run.status === "completed" ? trainingTime(run.elapsed_seconds) : "";
}

/** A bar with the epoch on one side and the remaining time on the other. */
export function createProgress() {
  const node = element(html`
    <div class="progress">
      <div class="progress__bar" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100"
        data-ref="bar"><div class="progress__done" data-ref="done"></div></div>
      <div class="progress__text"><span data-ref="epoch"></span><span data-ref="rest"></span></div>
    </div>`);
  const { bar, done: part, epoch, rest } = refs(node);
  return {
    node,
    update(run) {
      const share = done(run);
      part.style.transform = `scaleX(${share.toFixed(4)})`;
      setAttribute(bar, "aria-valuenow", Math.round(share * 100));
      setAttribute(bar, "data-status", run.status);
      setText(epoch, `${epochs(run.progress.epoch)} / ${run.progress.epochs} epochs`);
      setText(rest, remaining(run));
    },
  };
}
