import { setting, unitOf } from "../format.js";
import { fieldsOf } from "../form.js";
import { html } from "../html.js";

const line =
  (config) =>
  ({ name, label, unit, kind, default: fallback }) => {
    const isChanged = String(config[name]) !== String(fallback);
    const isUnset = config[name] === null && kind === "text";
    return html`<div class="${isChanged ? "facts__changed" : ""}"><dt title="${name}">${label}</dt>
    <dd>${isUnset ? "none" : setting(config[name])}${
      config[name] !== null && unit ? html` <span class="unit">${unitOf(config[name], unit)}</span>` : ""
    }</dd></div>`;
  };

function machine({ worker, device, threads, loader_processes: loaders, versions }) {
  const told = { worker, device, threads, "loader processes": loaders, ...versions };
  const facts = Object.entries(told).filter(([, value]) => value !== null);
  if (!facts.length) return "";
  return html`<section><h3>Machine</h3><dl class="facts">${facts.map(
    ([name, value]) => html`
    <div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl></section>`;
}

/** A run's configuration by the groups of the schema; what differs from the default stands out. Then its machine. */
export function configTable(schema, run) {
  const { config } = run;
  const fields = fieldsOf(schema).filter(({ name }) => name in config);
  return html`<div class="config">${schema.groups.map((group) => {
    const own = fields.filter((field) => field.group === group);
    return own.length ? html`<section><h3>${group}</h3><dl class="facts">${own.map(line(config))}</dl></section>` : "";
  })}${machine(run)}</div>`;
}
