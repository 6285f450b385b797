import { element, html, refs, setAttribute } from "../html.js";
import { icon } from "../icons.js";
import { arrange } from "../keyed.js";
import { createRunRow } from "./run-row.js";

const COLUMNS = [
  { name: "name", label: "Run" },
  { name: "status", label: "Status" },
  { name: "progress", label: "Progress" },
  { name: "best", label: "Best top-1", isNumeric: true, isFallingFirst: true },
  { label: "Settings" },
  { name: "created_at", label: "Launched", isFallingFirst: true },
];

const heading = ({ name, label, isNumeric }) => {
  if (!name) return html`<th role="columnheader" scope="col" data-column="settings">${label}</th>`;
  return html`<th role="columnheader" scope="col" data-column="${name}" class="${isNumeric ? "numeric" : ""}">
    <button type="button" class="sort-button" data-sort="${name}">${label}${icon("sort")}</button></th>`;
};

const table = () => html`
  <table class="runs-table" role="table" aria-label="Runs">
    <thead role="rowgroup"><tr role="row">
      <th role="columnheader" scope="col" class="run-row__check"><input type="checkbox" data-ref="all"
        aria-label="Select all runs shown" data-testid="check-all"></th>
      ${COLUMNS.map(heading)}
      <th role="columnheader" scope="col"><span class="visually-hidden">Actions</span></th>
    </tr></thead>
    <tbody role="rowgroup" data-ref="body" data-testid="runs-body"></tbody>
  </table>`;

/**
 * The table of runs. Renders what `show` is given; emits on its node "sorted" {sort}, "selected" {ids, isSelected}
 * and "asked" {id, action}.
 */
export function createRunsTable() {
  const node = element(table());
  const { all, body } = refs(node);
  const rows = new Map();
  let order = [];
  const emit = (kind, detail) => node.dispatchEvent(new CustomEvent(kind, { detail }));

  node.addEventListener("click", (event) => {
    const action = event.target.closest("[data-action]");
    if (action) emit("asked", { id: action.closest("tr").dataset.run, action: action.dataset.action });
    const sort = event.target.closest("button[data-sort]");
    if (sort) emit("sorted", { sort: nextSort(node.dataset.sort, sort.dataset.sort) });
  });
  node.addEventListener("change", (event) => {
    if (event.target === all) emit("selected", { ids: order, isSelected: all.checked });
    const line = event.target.closest("[data-run]");
    if (line) emit("selected", { ids: [line.dataset.run], isSelected: event.target.checked });
  });

  function show(runs, { selected, sort }) {
    order = runs.map((run) => run.id);
    const wanted = new Set(order);
    for (const id of rows.keys()) if (!wanted.has(id)) rows.delete(id);
    for (const run of runs) {
      if (!rows.has(run.id)) rows.set(run.id, createRunRow(run));
      rows.get(run.id).update(run, { isSelected: selected.has(run.id) });
    }
    arrange(
      body,
      order.map((id) => rows.get(id).node),
    );
    showSelection(selected);
    showSort(node, sort);
  }

  function showSelection(selected) {
    const count = order.filter((id) => selected.has(id)).length;
    all.checked = count > 0 && count === order.length;
    all.indeterminate = count > 0 && count < order.length;
  }

  return {
    node,
    show,
    /** The ids of the rows, in their order. */
    get shown() {
      return order;
    },
    tick: () => rows.forEach((line) => line.tick()),
  };
}

function nextSort(current, name) {
  const column = COLUMNS.find((one) => one.name === name);
  const first = column.isFallingFirst ? `-${name}` : name;
  const second = column.isFallingFirst ? name : `-${name}`;
  return current === first ? second : first;
}

function showSort(node, sort) {
  if (node.dataset.sort === sort) return;
  node.dataset.sort = sort;
  const name = sort.replace(/^-/, "");
  for (const cell of node.querySelectorAll("th[data-column]")) {
    const direction = sort.startsWith("-") ? "descending" : "ascending";
    setAttribute(cell, "aria-sort", cell.dataset.column === name ? direction : null);
  }
}
