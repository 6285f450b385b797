import { element, html, refs } from "../html.js";
import { localTime } from "../format.js";

const KEPT = 1000;
const FETCHED = 500;

/**
 * The last lines of a run's log. A "log" event only wakes it: the lines are fetched after the last one held, so none
 * is lost or doubled, whatever the stream did meanwhile. Without a line to go on from, the service sends the last ones.
 */
export function createLogTail({ runId, api, live, signal }) {
  const node = element(html`
    <div class="log" tabindex="0" role="log" aria-live="off" aria-label="Log of the training" data-testid="log"
      ><p class="hint" data-ref="empty">No lines yet.</p><pre data-ref="lines"></pre></div>`);
  const { lines, empty } = refs(node);
  let last = 0;
  let fetching = null;
  let isStale = false;

  function append(items) {
    const isAtEnd = node.scrollHeight - node.scrollTop - node.clientHeight < 40;
    for (const { seq, at, line } of items) {
      if (seq <= last) continue;
      last = seq;
      const row = document.createElement("span");
      row.textContent = line;
      row.title = localTime(at);
      lines.append(row);
    }
    while (lines.children.length > KEPT) lines.firstElementChild.remove();
    empty.hidden = lines.children.length > 0;
    if (isAtEnd) node.scrollTop = node.scrollHeight;
  }

  async function fetchNewer() {
    let isMore;
    do {
      isStale = false;
      const { items } = await api.logs(runId, { after: last || undefined, limit: FETCHED }, signal);
      isMore = last > 0 && items.length === FETCHED;
      append(items);
    } while (isMore || isStale);
  }

  function refresh() {
    isStale = true;
    fetching ??= fetchNewer()
      .catch(() => {})
      .finally(() => (fetching = null));
  }

  live.addEventListener("log", ({ detail }) => detail.data.run_id === runId && refresh(), { signal });
  live.addEventListener("reset", refresh, { signal });
  refresh();
  return { node };
}
