import { serverNow } from "./clock.js";

const DASH = "–";

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** 4.2 s, 3m 05s, 2h 14m, 3d 4h. */
export function duration(seconds) {
  if (!isNumber(seconds)) return DASH;
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, "0")}s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, "0")}m`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** How long a run has trained; a run that never began has no time. */
export function trainingTime(seconds) {
  return seconds === 0 ? DASH : duration(seconds);
}

/** How far a run is, in epochs: 7.7, 10. */
export function epochs(value) {
  return isNumber(value) ? String(Number(value.toFixed(1))) : DASH;
}

/** An accuracy, which the interface gives in percent already. */
export function percent(value, digits = 2) {
  return isNumber(value) ? `${printed(value.toFixed(digits))} %` : DASH;
}

/** A share of one, as percent. */
export function share(value, digits = 0) {
  return isNumber(value) ? `${(value * 100).toFixed(digits)} %` : DASH;
}

/** A ratio. */
export function fixed(value, digits = 3) {
  return isNumber(value) ? printed(value.toFixed(digits)) : DASH;
}

export const pValue = (p) => (p === null ? DASH : p < 1e-4 ? "< 0.0001" : p.toPrecision(2));

/** The time of a training step: 81.7 ms, 1.25 s. */
export function stepTime(seconds) {
  if (!isNumber(seconds)) return DASH;
  const [value, unit] = seconds < 1 ? [seconds * 1000, "ms"] : [seconds, "s"];
  return `${value < 99.95 ? Number(value.toPrecision(3)) : Math.round(value)} ${unit}`;
}

/** With the minus of print, as worker/evidence/sentences.py has it: a hyphen is easily overlooked. */
const printed = (text) => text.replaceAll("-", "\u2212");

/** Four significant digits, with exponents only where zeros would hide the value. */
export function number(value) {
  return isNumber(value) ? printed(digitsOf(value)) : DASH;
}

function digitsOf(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e9)) return value.toExponential(2).replace("e+", "e");
  if (Number.isInteger(value) || size >= 1e4) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(4)));
}

/** A difference; what rounds to nothing has no minus, as in the sentences of the verdict. */
export function signed(value, digits = 2) {
  if (!isNumber(value)) return DASH;
  const text = value.toFixed(digits);
  return Number(text) < 0 ? printed(text) : `+${text.replace("-", "")}`;
}

export function bytes(size) {
  if (!isNumber(size)) return DASH;
  if (size < 1e3) return `${size} B`;
  if (size < 1e6) return `${(size / 1e3).toFixed(1)} kB`;
  return size < 1e9 ? `${(size / 1e6).toFixed(1)} MB` : `${(size / 1e9).toFixed(2)} GB`;
}

/** "just now", "4 min ago", "3 days ago"; `now` in milliseconds, by the service's clock. */
export function ago(timestamp, now = serverNow()) {
  if (!timestamp) return DASH;
  const seconds = Math.max(0, (now - Date.parse(timestamp)) / 1000);
  if (seconds < 45) return "just now";
  if (seconds < 3570) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  const days = Math.round(seconds / 86_400);
  return days < 60 ? `${days} day${days === 1 ? "" : "s"} ago` : new Date(timestamp).toLocaleDateString();
}

export function localTime(timestamp) {
  return timestamp ? new Date(timestamp).toLocaleString() : DASH;
}

/** For a title attribute beside a local or relative time. */
export function utcTime(timestamp) {
  return timestamp ? `${new Date(timestamp).toISOString().replace("T", " ").slice(0, 19)} UTC` : "";
}

/** "1 epoch", "2 epochs": the unit as it stands behind the number. */
export function unitOf(value, unit) {
  return value === 1 ? unit.replace(/(?:(ch)e)?s$/, "$1") : unit;
}

/** A setting's value as a person would write it. */
export function setting(value) {
  if (value === null || value === undefined) return "default";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value);
}

/** A result of `/compare`, by its unit. */
export function measured(value, unit) {
  if (value === null || value === undefined) return DASH;
  if (typeof value !== "number") return String(value);
  if (unit === "%") return percent(value);
  if (unit === "s") return trainingTime(value);
  if (unit === "ms") return stepTime(value / 1000);
  if (unit === "share") return share(value, 1);
  return unit ? `${number(value)} ${unit}` : number(value);
}
