const ORDER = ["system", "light", "dark"];
const KEY = "resdrop.theme";

/** The chosen theme: "system" follows the operating system. */
export function theme() {
  return document.documentElement.dataset.theme ?? "system";
}

function tell() {
  document.dispatchEvent(new CustomEvent("resdrop:theme"));
}

export function setTheme(chosen) {
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // Without storage the choice lasts until the page is left.
  }
  tell();
}

export function nextTheme() {
  return ORDER[(ORDER.indexOf(theme()) + 1) % ORDER.length];
}

/** Tells the charts when the operating system changes its mind. */
export function followSystemTheme() {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
}
