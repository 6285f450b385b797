import { ROOT } from "./base.js";
import { guessServerTime } from "./clock.js";
import { MOST_COMPARED } from "./limits.js";

const BASE = `${ROOT}/api/v1`;

/** A refusal of the service, as its problem document tells it: `errors` maps field names to sentences. */
export class ApiError extends Error {
  constructor({ status, title, detail, errors }) {
    super(detail || title || `The service answered ${status}.`);
    this.status = status;
    this.title = title;
    this.errors = errors ?? {};
  }
}

/** The service did not answer at all. */
export class Unreachable extends Error {
  constructor() {
    super("ResDrop does not answer. Is it still running?");
  }
}

// A seed may exceed what a JavaScript number holds exactly; such integers stay text and so travel back unchanged.
function exactIntegers(_key, value, context) {
  const inexact = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return inexact && context ? context.source : value;
}

function parse(text) {
  if (!text) return null;
  return /\d{16}/.test(text) ? JSON.parse(text, exactIntegers) : JSON.parse(text);
}

async function refusal(response) {
  const body = await response.json().catch(() => ({}));
  return new ApiError({ ...body, status: response.status, title: body.title ?? response.statusText });
}

async function request(method, path, { body, query, headers, signal } = {}) {
  const given = Object.entries(query ?? {}).filter(
    ([, value]) => value !== undefined && value !== null && value !== "",
  );
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  const content = body === undefined ? {} : { "Content-Type": "application/json" };
  let response;
  try {
    response = await fetch(`${BASE}${path}${search}`, {
      method,
      headers: { Accept: "application/json", ...content, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Unreachable();
  }
  guessServerTime(response.headers.get("Date"));
  if (!response.ok) throw await refusal(response);
  return parse(await response.text());
}

/** The runs of these ids that there are, and the ids of the rest. */
async function runsOf(ids, signal) {
  const found = { runs: [], missing: [] };
  for (let start = 0; start < ids.length; start += MOST_COMPARED) {
    const part = ids.slice(start, start + MOST_COMPARED);
    const { runs, missing } = await api.compare(part, signal).catch((error) => {
      if (error.status !== 404) throw error;
      return { runs: [], missing: part };
    });
    found.runs.push(...runs);
    found.missing.push(...missing);
  }
  return found;
}

const at = (id) => encodeURIComponent(id);

/** A launch that is sent twice (a double click, a retry after a lost answer) makes one run. */
const once = (key) => ({ "Idempotency-Key": key });

export const newKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

export const api = {
  health: (signal) => request("GET", "/health", { signal }),
  schema: (signal) => request("GET", "/schema", { signal }),
  presets: (signal) => request("GET", "/presets", { signal }),
  datasets: (signal) => request("GET", "/datasets", { signal }),
  createDataset: (body, key) => request("POST", "/datasets", { body, headers: once(key) }),
  deleteDataset: (name) => request("DELETE", `/datasets/${at(name)}`),
  workers: (signal) => request("GET", "/workers", { signal }),

  runs: (query, signal) => request("GET", "/runs", { query, signal }),
  runsOf,
  run: (id, signal) => request("GET", `/runs/${at(id)}`, { signal }),
  createRun: (body, key) => request("POST", "/runs", { body, headers: once(key) }),
  checkDraft: (draft, signal) => request("POST", "/runs/check", { body: draft, signal }),
  act: (id, action) => request("POST", `/runs/${at(id)}/${action}`),
  actOnMany: (action, ids) => request("POST", "/runs/actions", { body: { action, ids } }),
  editRun: (id, body) => request("PATCH", `/runs/${at(id)}`, { body }),
  deleteRun: (id) => request("DELETE", `/runs/${at(id)}`),

  metrics: (id, query, signal) => request("GET", `/runs/${at(id)}/metrics`, { query, signal }),
  logs: (id, query, signal) => request("GET", `/runs/${at(id)}/logs`, { query, signal }),
  events: (id, query, signal) => request("GET", `/runs/${at(id)}/events`, { query, signal }),
  checkpoints: (id, signal) => request("GET", `/runs/${at(id)}/checkpoints`, { signal }),

  comparisons: (query, signal) => request("GET", "/comparisons", { query, signal }),
  comparison: (id, signal) => request("GET", `/comparisons/${at(id)}`, { signal }),
  comparisonTemplates: (signal) => request("GET", "/comparison-templates", { signal }),
  previewComparison: (body, signal) => request("POST", "/comparisons/preview", { body, signal }),
  createComparison: (body, key) => request("POST", "/comparisons", { body, headers: once(key) }),
  compare: (ids, signal) => request("GET", "/compare", { query: { runs: ids.join(",") }, signal }),
};

/** Addresses that the browser itself follows. */
export const addresses = {
  live: `${BASE}/live`,
  metricsCsv: (id) => `${BASE}/runs/${at(id)}/metrics.csv`,
  results: (id) => `${BASE}/comparisons/${at(id)}/results.csv`,
  comparison: (id) => `${BASE}/comparisons/${at(id)}`,
  report: (id) => `${BASE}/comparisons/${at(id)}/report.html`,
  predictions: (id) => `${BASE}/runs/${at(id)}/predictions`,
  validationImage: (id, index) => `${BASE}/runs/${at(id)}/validation-images/${index}`,
  checkpointFile: (id, checkpoint) => `${BASE}/runs/${at(id)}/checkpoints/${at(checkpoint)}/file`,
};
