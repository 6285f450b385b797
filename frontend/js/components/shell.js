import { element, fill, html, refs, setAttribute, setText } from "../html.js";
import { icon, logo } from "../icons.js";
import { paths } from "../router.js";
import { nextTheme, setTheme, theme } from "../theme.js";
import { duration } from "../format.js";

const LINKS = [
  { page: "runs", also: ["run"], href: paths.runs, label: "Runs", icon: "runs" },
  { page: "new", also: [], href: paths.new, label: "New run", icon: "plus" },
  { page: "compare", also: ["comparison"], href: paths.compare(), label: "Compare", icon: "compare" },
];

const THEMES = { system: ["system", "System theme"], light: ["sun", "Light theme"], dark: ["moon", "Dark theme"] };

const navLink = (link) => html`
  <li><a class="nav__link" href="${link.href}" data-page="${link.page}" data-testid="nav-${link.page}">
    ${icon(link.icon)}<span>${link.label}</span></a></li>`;

const frame = () => html`
  <header class="sidebar">
    <a class="brand" href="${paths.runs}" aria-label="ResDrop, to all runs">${logo}<span>ResDrop</span></a>
    <nav class="nav" aria-label="Main"><ul>${LINKS.map(navLink)}</ul></nav>
    <div class="sidebar__foot">
      <p class="connection" data-ref="connection" data-testid="connection"><span class="connection__dot"
        aria-hidden="true"></span><span data-ref="connectionText">Connecting</span></p>
      <p class="capacity" data-ref="capacity" data-testid="capacity"></p>
      <ul class="findings" data-ref="findings" data-testid="findings" hidden></ul>
      <button type="button" class="ghost-button" data-ref="theme" data-testid="theme-toggle"></button>
    </div>
  </header>
  <div class="stage">
    <div class="banner" role="status" aria-live="polite" data-ref="banner" data-testid="connection-banner" hidden></div>
    <main id="content" class="content" tabindex="-1" data-ref="content"></main>
  </div>
  <section class="toasts" aria-label="Messages"><ul data-ref="toasts"></ul></section>`;

/** The frame around every page: navigation, state of the connection, theme. Returns its places. */
export function createShell(root, { live }) {
  fill(root, frame());
  const places = refs(root);
  bindTheme(places.theme);
  live.addEventListener("state", () => showConnection(places, live));
  setInterval(() => live.state === "lost" && showConnection(places, live), 1000);
  return {
    ...places,
    markPage: (page) => markPage(root, page),
    showCapacity: (capacity) => {
      showCapacity(places.capacity, capacity);
      showFindings(places.findings, capacity);
    },
  };
}

function bindTheme(button) {
  const show = () => {
    const [name, label] = THEMES[theme()];
    fill(button, html`${icon(name)}<span>${label}</span>`);
    setAttribute(button, "aria-label", `${label}; change it`);
  };
  button.addEventListener("click", () => setTheme(nextTheme()));
  document.addEventListener("resdrop:theme", show);
  show();
}

function showConnection({ connection, connectionText, banner }, live) {
  const isLost = live.state === "lost";
  setAttribute(connection, "data-state", live.state);
  setText(connectionText, { live: "Live", lost: "Disconnected", connecting: "Connecting" }[live.state]);
  const seconds = (Date.now() - (live.lostAt ?? Date.now())) / 1000;
  // A blink of a reconnection is not worth a banner that moves the page.
  const isWorthIt = isLost && seconds >= 1;
  if (isWorthIt && banner.hidden) {
    const said = live.problem ?? "Connection lost. What you see is getting old; trying again.";
    fill(banner, html`${icon("warning")}<span>${said}</span><span aria-hidden="true" data-ref="age"></span>`);
  }
  banner.hidden = !isWorthIt;
  const age = banner.querySelector("[data-ref=age]");
  if (age) setText(age, duration(Math.round(seconds)));
}

function markPage(root, page) {
  for (const link of LINKS) {
    const isCurrent = link.page === page || link.also.includes(page);
    setAttribute(root.querySelector(`[data-page=${link.page}]`), "aria-current", isCurrent ? "page" : null);
  }
}

const troubleOf = (health) => health?.findings.find((finding) => finding.severity === "error");

function showCapacity(node, { health, workers }) {
  const trouble = troubleOf(health);
  const alive = workers.filter((worker) => worker.alive);
  const devices = alive.flatMap((worker) => worker.devices);
  const free = alive.flatMap((worker) => worker.free_devices);
  const capacity = alive.length
    ? `${alive.length} worker${alive.length > 1 ? "s" : ""} · ${free.length} of ${devices.length} free`
    : "No worker: queued runs wait";
  setText(node, trouble?.title ?? capacity);
  setAttribute(node, "data-trouble", trouble || !alive.length ? "true" : null);
  setAttribute(node, "title", trouble?.detail ?? devices.join(", "));
}

/** What else is the matter with the service, and what each worker is warned of. */
function showFindings(node, { health, workers }) {
  const trouble = troubleOf(health);
  const others = (health?.findings ?? []).filter((finding) => finding !== trouble);
  const warned = workers.flatMap(({ id, host, warnings }) => warnings.map((text) => [`Worker ${id} on ${host}`, text]));
  const lines = [...others.map(({ title, detail }) => [title, detail]), ...warned];
  fill(node, html`${lines.map(([title, detail]) => html`<li title="${detail}"><b>${title}</b> ${detail}</li>`)}`);
  node.hidden = !lines.length;
}
