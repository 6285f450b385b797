import { newKey } from "../api.js";
import { clearDraft, loadDraft, saveDraft } from "../draft.js";
import { element, fill, html, refs, setText } from "../html.js";
import { icon } from "../icons.js";
import { KINDS, SET_BY_PAIR, checkedConfig, keyKeeper, launchBody } from "../launch.js";
import { paths } from "../router.js";
import { createConfigForm } from "./config-form.js";
import { createDatasetNames } from "./dataset-names.js";
import { createLaunchPanel } from "./launch-panel.js";
import { createMetaForm } from "./meta-form.js";
import { createPresetChooser } from "./preset-chooser.js";

const CHECK_AFTER_MS = 250;

const page = () => html`
  <form class="page page--wide launch" novalidate>
    <div class="page__head"><div><h1>New run</h1><p class="page__sub" data-ref="from"></p></div>
      <button type="button" class="button" data-ref="restart" data-testid="start-over">Start over</button></div>
    <div class="launch__columns">
      <div class="launch__main">
        <section aria-labelledby="presets-title"><h2 id="presets-title" class="section-title">Start from</h2>
          <div data-ref="presets"></div></section>
        <section aria-labelledby="kind-title"><h2 id="kind-title" class="section-title">Launch</h2>
          <div class="segmented segmented--wide" role="radiogroup" aria-labelledby="kind-title" data-ref="kind">
            ${Object.entries(KINDS).map(
              ([kind, label]) => html`<label><input type="radio" name="kind" value="${kind}"
              data-testid="kind-${kind}"><span>${label}</span></label>`,
            )}</div>
          <p class="hint" data-ref="kindHint"></p>
          <div data-ref="meta"></div></section>
        <div data-ref="config"></div>
      </div>
      <aside class="launch__side" data-ref="side"></aside>
    </div>
  </form>`;

const KIND_HINTS = {
  one: "A single training with the settings below.",
  pair:
    "For each seed two runs, alike in everything but stochastic depth: same weights at the start, same images in " +
    "the same order.",
};

/** The form that launches a run or a pair. */
export async function newPage(container, app) {
  document.title = "New run · ResDrop";
  const root = element(page());
  container.append(root);
  try {
    const { api, signal } = app;
    const [schema, presets, datasets] = await Promise.all([
      api.schema(signal),
      api.presets(signal),
      api.datasets(signal),
    ]);
    const source = await sourceOf(app, presets.items);
    if (!signal.aborted) build({ root, app, schema, presets: presets.items, datasets: datasets.items, source });
  } catch (error) {
    if (error.name === "AbortError") return;
    fill(
      root,
      html`<div class="empty"><h1>New run</h1><p>${error.message}</p>
      <a class="button" href="${location.pathname + location.search}">Try again</a></div>`,
    );
  }
}

/** Where the form starts: a run to clone or a preset, {key, title, config, name, tags}. */
async function sourceOf({ api, query, signal }, presets) {
  const cloned = query.get("clone");
  if (cloned) {
    const run = await api.run(cloned, signal);
    return {
      key: `clone:${run.id}`,
      title: `a copy of “${run.name}”`,
      config: run.config,
      name: `${run.name} copy`,
      tags: run.tags,
    };
  }
  return presetSource(presets.find((one) => one.name === query.get("preset")) ?? presets[0]);
}

function presetSource(preset) {
  return {
    key: `preset:${preset.name}`,
    preset: preset.name,
    title: `“${preset.title}”`,
    config: preset.config,
    name: "",
    tags: [],
  };
}

function build({ root, app, schema, presets, datasets, source }) {
  const parts = {
    ...refs(root),
    form: createConfigForm(schema),
    metaForm: createMetaForm(),
    panel: createLaunchPanel(),
    chooser: createPresetChooser(presets),
  };
  parts.names = createDatasetNames({ form: parts.form, items: datasets, app });
  parts.presets.append(parts.chooser.node);
  parts.meta.append(parts.metaForm.node);
  parts.config.append(parts.form.node);
  parts.side.append(parts.panel.node);
  const state = { source, kind: app.query.get("kind") === "pair" ? "pair" : "one", keyOf: keyKeeper(newKey) };
  const page = { root, app, parts, state, checking: null, timer: null };
  const draft = loadDraft(source.key);
  if (draft) restore(page, draft);
  else begin(page, source);
  bind(page, presets);
}

function bind(page, presets) {
  const { root, app, parts } = page;
  const edited = () => changed(page);
  parts.form.node.addEventListener("edited", edited);
  parts.metaForm.node.addEventListener("edited", edited);
  parts.kind.addEventListener("change", (event) => {
    setKind(page, event.target.value);
    changed(page);
  });
  parts.chooser.node.addEventListener("chosen", ({ detail }) => {
    app.router.setQuery({ preset: detail.name, clone: null });
    begin(page, presetSource(presets.find((one) => one.name === detail.name)));
    clearDraft();
  });
  parts.restart.addEventListener("click", () => {
    clearDraft();
    begin(page, page.state.source);
  });
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    launch(page);
  });
  app.signal.addEventListener("abort", () => {
    clearTimeout(page.timer);
    page.checking?.abort();
  });
}

/** Fills the form anew. */
function begin(page, source) {
  page.state.source = source;
  page.parts.form.config = source.config;
  page.parts.metaForm.texts = {
    name: source.name,
    tags: source.tags.join(", "),
    notes: "",
    seeds: "0",
    mode: "sequential",
  };
  show(page);
}

function restore(page, draft) {
  page.parts.form.texts = draft.texts;
  page.parts.metaForm.texts = draft.meta;
  page.state.kind = draft.kind;
  show(page);
}

function show(page) {
  const { parts, state } = page;
  setText(parts.from, `Starting from ${state.source.title}.`);
  parts.chooser.mark(state.source.preset);
  parts.form.countAdvancedChanges();
  parts.names.show();
  setKind(page, state.kind);
  check(page);
}

function setKind({ app, parts, state }, kind) {
  state.kind = kind;
  parts.kind.querySelector(`[value=${kind}]`).checked = true;
  setText(parts.kindHint, KIND_HINTS[kind]);
  parts.metaForm.showFor(kind);
  parts.form.disable(kind === "pair" ? SET_BY_PAIR : []);
  parts.panel.setKind(kind);
  app.router.setQuery({ kind: kind === "pair" ? "pair" : null });
}

function changed(page) {
  const { parts, state } = page;
  saveDraft({ source: state.source.key, texts: parts.form.texts, meta: parts.metaForm.texts, kind: state.kind });
  parts.form.countAdvancedChanges();
  parts.names.show();
  clearTimeout(page.timer);
  page.timer = setTimeout(() => check(page), CHECK_AFTER_MS);
}

/** Asks the service what it thinks of the settings, and shows that beside them. */
async function check(page) {
  const { app, parts, state } = page;
  page.checking?.abort();
  page.checking = new AbortController();
  try {
    const config = checkedConfig({ kind: state.kind, config: parts.form.config });
    const answer = await app.api.checkConfig(config, page.checking.signal);
    parts.form.showErrors({});
    parts.form.showDefaults(answer.derived);
    parts.panel.showAnswer(answer);
  } catch (error) {
    if (error.name === "AbortError") return;
    parts.panel.showProblem(error, error.status === 422 ? parts.form.showErrors(error.errors) : []);
  }
}

async function launch(page) {
  const { app, parts, state } = page;
  if (parts.panel.isBusy) return;
  const isPair = state.kind === "pair";
  const body = launchBody({ kind: state.kind, config: parts.form.config, meta: parts.metaForm.texts });
  clearTimeout(page.timer);
  page.checking?.abort();
  parts.panel.setBusy(true);
  parts.metaForm.showErrors({});
  try {
    const made = await app.api[isPair ? "createComparison" : "createRun"](body, state.keyOf(body));
    clearDraft();
    if (!isPair) app.runs.put(made);
    if (!app.signal.aborted) app.router.go(isPair ? paths.comparison(made.id) : paths.run(made.id));
  } catch (error) {
    refuse(page, error);
  } finally {
    parts.panel.setBusy(false);
  }
}

/** Shows a refused launch: each sentence beside its field, the focus on the first; nothing typed is lost. */
function refuse({ parts }, error) {
  const errors = error.errors ?? {};
  const loose = parts.form.showErrors(parts.metaForm.showErrors(errors));
  parts.panel.showProblem(error, loose);
  const metaField = parts.metaForm.firstWrong(errors);
  const field = parts.form.firstWrong(errors);
  if (metaField) parts.metaForm.focus(metaField);
  else if (field) parts.form.focus(field);
  else parts.panel.focus();
}
