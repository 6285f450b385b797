import { ROOT } from "./base.js";

/** What was typed into the form, kept for this tab under the starting point it belongs to. */
const KEY = `resdrop.draft${ROOT}`;

export function loadDraft(source) {
  try {
    const draft = JSON.parse(sessionStorage.getItem(KEY));
    return draft?.source === source ? draft : null;
  } catch {
    return null;
  }
}

/** The starting point of the draft that is kept, if there is one. */
export function draftSource() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY))?.source ?? null;
  } catch {
    return null;
  }
}

export function saveDraft(draft) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    // Storage may be full or forbidden; the form works without it.
  }
}

export function clearDraft() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}
