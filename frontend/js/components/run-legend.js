import { element, html, refs, setAttribute, setText } from "../html.js";
import { icon } from "../icons.js";
import { paths } from "../router.js";
import { createProgress } from "./progress.js";
import { createStatusChip } from "./status-chip.js";
import { swatch } from "./swatch.js";

const entry = ({ run, line, isRemovable }) => html`
  <li class="member" data-run="${run.id}" data-testid="member">
    ${swatch(line, "swatch--large")}
    <div class="member__body"><div class="member__line"><a href="${paths.run(run.id)}" data-ref="name"></a></div>
      <div class="member__line" data-ref="state"></div></div>
    <div class="button-row"><button type="button" class="icon-button" data-action="hide"
      data-testid="member-hide"></button>
      ${
        isRemovable
          ? html`<button type="button" class="icon-button" data-action="remove" data-testid="member-remove"
        aria-label="Remove ${run.name} from the comparison" title="Remove">${icon("close")}</button>`
          : ""
      }</div>
  </li>`;

function createEntry(member) {
  const node = element(entry(member));
  const { name, state } = refs(node);
  const hide = node.querySelector("[data-action=hide]");
  const status = createStatusChip();
  const progress = createProgress();
  state.append(status.node, progress.node);
  let wasHidden = null;
  return {
    node,
    update(run, { isHidden, label }) {
      setText(name, label);
      setAttribute(name, "title", run.name);
      status.update(run.status);
      progress.update(run);
      if (wasHidden === isHidden) return;
      wasHidden = isHidden;
      hide.replaceChildren(element(icon(isHidden ? "eyeOff" : "eye")));
      setAttribute(hide, "aria-pressed", String(isHidden));
      setAttribute(hide, "aria-label", `Hide the curves of ${run.name}`);
      setAttribute(hide, "title", isHidden ? "Show" : "Hide");
      node.classList.toggle("member--hidden", isHidden);
    },
  };
}

/** The runs of a comparison, [{run, line, label}], with their lines. `node` emits "toggled" {id} and "removed" {id}. */
export function createRunLegend(members, { isRemovable }) {
  const node = element(html`<ul class="members" aria-label="Compared runs"></ul>`);
  const entries = new Map(members.map((member) => [member.run.id, createEntry({ ...member, isRemovable })]));
  node.append(...[...entries.values()].map((one) => one.node));
  node.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-action]");
    if (!pressed) return;
    const kind = pressed.dataset.action === "hide" ? "toggled" : "removed";
    node.dispatchEvent(new CustomEvent(kind, { detail: { id: pressed.closest("[data-run]").dataset.run } }));
  });
  return {
    node,
    update(present, hidden) {
      for (const { run, label } of present)
        entries.get(run.id)?.update(run, { isHidden: hidden.has(run.id), label });
    },
  };
}
