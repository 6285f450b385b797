import { onceReachable } from "../again.js";
import { newKey } from "../api.js";
import { clearDraft, draftSource, loadDraft, saveDraft } from "../draft.js";
import { element, fill, html, refs, setText } from "../html.js";
import { LONGEST_NAME } from "../limits.js";
import { KINDS, isComparison, keyKeeper, launchBody, launchLabel, setByComparison } from "../launch.js";
import { paths } from "../router.js";
import { SettingsCheck } from "../settings-check.js";
import { createArmsForm } from "./arms-form.js";
import { createConfigForm } from "./config-form.js";
import { createDatasetNames } from "./dataset-names.js";
import { createLaunchPanel } from "./launch-panel.js";
import { META, createMetaForm } from "./meta-form.js";
import { createPresetChooser } from "./preset-chooser.js";

const PRESET_KEY = "preset:";

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
          <div data-ref="arms"></div>
          <div data-ref="meta"></div></section>
        <div data-ref="config"></div>
      </div>
      <aside class="launch__side" data-ref="side"></aside>
    </div>
  </form>`;

const KIND_HINTS = {
  one: "A single training with the settings below.",
  comparison:
    "A run of each arm for each seed. All arms of a seed begin with the same weights, where their shapes agree, and see the same images in the " +
    "same order.",
};

/** The form that launches a run or a comparison. */
export async function newPage(container, app) {
  document.title = "New run · ResDrop";
  const root = element(page());
  container.append(root);
  try {
    const { api, signal } = app;
    const [schema, presets, datasets, templates] = await Promise.all([
      api.schema(signal),
      api.presets(signal),
      api.datasets(signal),
      api.comparisonTemplates(signal),
    ]);
    const source = await sourceOf(app, presets.items);
    const offered = { presets: presets.items, datasets: datasets.items, templates: templates.items };
    if (!signal.aborted) build({ root, app, schema, source, ...offered });
  } catch (error) {
    if (error.name === "AbortError") return;
    onceReachable(error, () => app.router.refresh(), app);
    fill(root, isWithoutOrigin(app, error) ? withoutOrigin(app) : notShown(error));
  }
}

/** The run that is to be copied is not there, and trying again would not bring it back. */
const isWithoutOrigin = ({ query }, error) => Boolean(query.get("clone")) && error.status === 404;

function withoutOrigin({ query, runs }) {
  const id = query.get("clone");
  const why = runs.wasDeleted(id) ? "has been deleted" : "does not exist: it was deleted, or the address is mistyped";
  return html`
    <div class="empty" data-testid="missing"><h1>New run</h1>
      <p>The run ${id}, of which this was to be a copy, ${why}.</p>
      <a class="button button--primary" href="${paths.new}" data-testid="empty-form">Start with an empty form</a></div>`;
}

const notShown = (error) => html`
  <div class="empty"><h1>New run</h1><p>${error.message}</p>
    <a class="button" href="${location.pathname + location.search}">Try again</a></div>`;

/** Where the form starts: a run to clone or a preset, {key, title, config, name, tags}. */
async function sourceOf({ api, query, signal }, presets) {
  const cloned = query.get("clone");
  if (cloned) {
    const run = await api.run(cloned, signal);
    return {
      key: `clone:${run.id}`,
      title: `a copy of “${run.name}”`,
      config: run.config,
      name: copyName(run.name),
      tags: run.tags,
    };
  }
  const wanted = query.get("preset") ?? draftSource()?.replace(PRESET_KEY, "");
  return presetSource(presets.find((one) => one.name === wanted) ?? presets[0]);
}

function copyName(name) {
  const copy = `${name} copy`;
  return [...copy].length > LONGEST_NAME ? name : copy;
}

function presetSource(preset) {
  return {
    key: `${PRESET_KEY}${preset.name}`,
    preset: preset.name,
    title: `“${preset.title}”`,
    config: preset.config,
    name: "",
    tags: [],
  };
}

function build({ root, app, schema, presets, datasets, templates, source }) {
  const parts = {
    ...refs(root),
    form: createConfigForm(schema),
    metaForm: createMetaForm(),
    armsForm: createArmsForm(templates, settingsThatVary(schema)),
    panel: createLaunchPanel(app),
    chooser: createPresetChooser(presets),
  };
  parts.names = createDatasetNames({ form: parts.form, items: datasets, app });
  parts.presets.append(parts.chooser.node);
  parts.arms.append(parts.armsForm.node);
  parts.meta.append(parts.metaForm.node);
  parts.config.append(parts.form.node);
  parts.side.append(parts.panel.node);
  keepInSight(parts.side, app);
  const state = {
    source,
    kind: COMPARING.includes(app.query.get("kind")) ? "comparison" : "one",
    given: metaOf(source),
    keyOf: keyKeeper(newKey),
  };
  const page = { root, app, parts, state };
  page.check = new SettingsCheck({
    ask: (draft, signal) => app.api["arms" in draft ? "previewComparison" : "checkDraft"](draft, signal),
    show: (found) => showCheck(page, found),
    signal: app.signal,
  });
  if (source.preset !== presets[0].name) app.router.setQuery({ preset: source.preset });
  const draft = loadDraft(source.key);
  if (draft) restore(page, draft);
  else begin(page, source);
  bind(page, presets);
}

/** A field that gets the focus is scrolled to where the panel, which lies over the end of a narrow page, hides nothing. */
function keepInSight(side, { signal }) {
  const { style } = document.documentElement;
  const sized = new ResizeObserver(() => style.setProperty("--covered", `${side.offsetHeight}px`));
  sized.observe(side);
  signal.addEventListener("abort", () => {
    sized.disconnect();
    style.removeProperty("--covered");
  });
}

/** Values of the address that mean a comparison; "pair" is of earlier versions. */
const COMPARING = ["comparison", "pair"];

const settingsThatVary = ({ schema }) => Object.keys(schema.properties).filter((name) => name !== "seed");

function bind(page, presets) {
  const { root, app, parts } = page;
  const edited = () => changed(page, { isTyped: true });
  parts.form.node.addEventListener("edited", edited);
  parts.metaForm.node.addEventListener("edited", edited);
  parts.armsForm.node.addEventListener("edited", () => {
    disableUnused(page);
    edited();
  });
  parts.kind.addEventListener("change", (event) => {
    setKind(page, event.target.value);
    changed(page);
  });
  parts.chooser.node.addEventListener("chosen", ({ detail }) => {
    app.router.setQuery({ preset: detail.name, clone: null });
    begin(page, presetSource(presets.find((one) => one.name === detail.name)), { keepsTyped: true });
    remember(page);
  });
  parts.restart.addEventListener("click", () => {
    clearDraft();
    parts.armsForm.clear();
    begin(page, page.state.source);
  });
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    launch(page);
  });
  app.live.addEventListener("state", () => app.live.state === "live" && page.check.retry(), { signal: app.signal });
  // The stream that all tabs share may not have noticed that the network was away.
  window.addEventListener("online", () => page.check.retry(), { signal: app.signal });
}

/** What a source says of a launch beside its configuration. */
const metaOf = (source) => ({ ...META, name: source.name, tags: source.tags.join(", ") });

/** Fills the form anew; `keepsTyped` leaves what the user has made of what stands beside the configuration. */
function begin(page, source, { keepsTyped = false } = {}) {
  const { parts, state } = page;
  const given = metaOf(source);
  const texts = keepsTyped ? parts.metaForm.texts : state.given;
  const isTyped = (name) => texts[name] !== state.given[name];
  parts.form.config = source.config;
  parts.metaForm.texts = Object.fromEntries(
    Object.entries(given).map(([name, text]) => [name, isTyped(name) ? texts[name] : text]),
  );
  Object.assign(state, { source, given });
  show(page);
}

function restore(page, draft) {
  page.parts.form.texts = draft.texts;
  page.parts.metaForm.texts = draft.meta;
  if (draft.design) page.parts.armsForm.texts = draft.design;
  page.state.kind = draft.kind in KINDS ? draft.kind : "comparison";
  show(page);
}

function show(page) {
  const { parts, state } = page;
  setText(parts.from, `Starting from ${state.source.title}.`);
  parts.chooser.mark(state.source.preset);
  setKind(page, state.kind);
  refresh(page);
}

function setKind(page, kind) {
  const { app, parts, state } = page;
  state.kind = kind;
  parts.kind.querySelector(`[value=${kind}]`).checked = true;
  setText(parts.kindHint, KIND_HINTS[kind]);
  parts.metaForm.showFor(kind);
  parts.arms.hidden = !isComparison(kind);
  disableUnused(page);
  app.router.setQuery({ kind: isComparison(kind) ? kind : null });
}

/** What every arm sets itself, the form does not set. */
function disableUnused({ parts, state }) {
  parts.form.disable(isComparison(state.kind) ? setByComparison(parts.armsForm.texts.arms) : []);
}

function changed(page, { isTyped = false } = {}) {
  remember(page);
  refresh(page, { isTyped });
}

function remember({ parts, state }) {
  saveDraft({
    source: state.source.key,
    texts: parts.form.texts,
    meta: parts.metaForm.texts,
    design: parts.armsForm.texts,
    kind: state.kind,
  });
}

/** All that follows from what the form holds. */
function refresh(page, { isTyped = false } = {}) {
  const { parts } = page;
  parts.form.countAdvancedChanges();
  parts.names.show();
  parts.panel.setLabel(launchLabel(asked(page)));
  page.check.take(launchBody(asked(page)), { isTyped });
}

const asked = ({ parts, state }) => ({
  kind: state.kind,
  config: parts.form.config,
  meta: parts.metaForm.texts,
  design: parts.armsForm.texts,
});

/** Shows what is known of the settings in the form: that it is being asked, or what the service said. */
function showCheck({ parts }, { state: found, changed: names, answer, error }) {
  const spread = (errors) => parts.form.showErrors(parts.armsForm.showErrors(parts.metaForm.showErrors(errors)));
  if (found === "asking") {
    const settings = [...names].filter((name) => name.startsWith("config.")).map((name) => name.slice(7));
    parts.form.expectAnswer(new Set(settings));
    parts.metaForm.expectAnswer(names);
    if (names.has("arms")) parts.armsForm.showErrors({});
    parts.panel.showAsking({ isChanged: settings.length > 0 || names.has("arms") });
    if (settings.length) parts.form.showDefaults({});
  } else if (found === "good") {
    spread({});
    parts.form.showDefaults(answer.derived);
    parts.panel.showAnswer(answer);
  } else {
    const errors = error.errors ?? {};
    const loose = spread(errors);
    const arms = parts.armsForm.isWrong(errors) ? ["Arms"] : [];
    parts.panel.showProblem(error, loose, [...arms, ...parts.metaForm.wrong(errors), ...parts.form.wrong(errors)]);
  }
}

async function launch(page) {
  const { app, parts, state } = page;
  if (parts.panel.isBusy) return;
  const isMany = isComparison(state.kind);
  const body = launchBody(asked(page));
  parts.panel.setBusy(true);
  try {
    const made = await app.api[isMany ? "createComparison" : "createRun"](body, state.keyOf(body));
    clearDraft();
    if (!isMany) app.runs.put(made);
    if (!app.signal.aborted) app.router.go(isMany ? paths.comparison(made.id) : paths.run(made.id));
  } catch (error) {
    refuse(page, body, error);
  } finally {
    parts.panel.setBusy(false);
  }
}

/** Shows a refused launch: each sentence beside its field, the focus on the first; nothing typed is lost. */
function refuse({ app, check, parts }, body, error) {
  const errors = error.errors ?? {};
  if (error.status !== 422 || !check.refused(body, error)) {
    app.toasts.error(error);
    return;
  }
  const metaField = parts.metaForm.firstWrong(errors);
  const field = parts.form.firstWrong(errors);
  if (parts.armsForm.isWrong(errors)) parts.armsForm.focus();
  else if (metaField) parts.metaForm.focus(metaField);
  else if (field) parts.form.focus(field);
  else parts.panel.focus();
}
