import { trusted } from "./html.js";

const SHAPES = {
  runs: '<path d="M3 4.5h10M3 8h10M3 11.5h6"/>',
  plus: '<path d="M8 3.2v9.6M3.2 8h9.6"/>',
  compare:
    '<path d="M2.5 11.5c3 0 3.2-7 6-7s2.2 3 5 3"/>' +
    '<path d="M2.5 8.5c3.4 0 4 3.4 6.4 3.4s2.4-1.6 4.6-1.6" opacity=".55"/>',
  pause: '<path d="M5.7 3.8v8.4M10.3 3.8v8.4"/>',
  resume: '<path d="M5 3.6v8.8l7-4.4z" fill="currentColor" stroke-linejoin="round"/>',
  stop: '<rect x="4.2" y="4.2" width="7.6" height="7.6" rx="1.2" fill="currentColor"/>',
  trash: '<path d="M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5"/>',
  open: '<path d="M6 3.5l4.5 4.5L6 12.5"/>',
  copy: '<rect x="5.5" y="5.5" width="7.5" height="7.5" rx="1.4"/><path d="M3 10.2V4.4C3 3.6 3.6 3 4.4 3h5.8"/>',
  download: '<path d="M8 2.8v7M5 7.2l3 3 3-3M3 13h10"/>',
  edit: '<path d="M3 13l.6-2.8L10.8 3l2.2 2.2-7.2 7.2z"/>',
  search: '<circle cx="7" cy="7" r="4"/><path d="M10 10l3.2 3.2"/>',
  sun:
    '<circle cx="8" cy="8" r="2.7"/>' +
    '<path d="M8 1.6v1.6M8 12.8v1.6M1.6 8h1.6M12.8 8h1.6M3.5 3.5l1.1 1.1' +
    'M11.4 11.4l1.1 1.1M3.5 12.5l1.1-1.1M11.4 4.6l1.1-1.1"/>',
  moon: '<path d="M13 9.4A5.4 5.4 0 0 1 6.6 3 5.4 5.4 0 1 0 13 9.4z"/>',
  system: '<rect x="2.2" y="3" width="11.6" height="7.8" rx="1.4"/><path d="M5.8 13.4h4.4"/>',
  eye: '<path d="M1.8 8S4 4 8 4s6.2 4 6.2 4-2.2 4-6.2 4-6.2-4-6.2-4z"/><circle cx="8" cy="8" r="1.8"/>',
  eyeOff: '<path d="M1.8 8S4 4 8 4s6.2 4 6.2 4-2.2 4-6.2 4-6.2-4-6.2-4z" opacity=".5"/><path d="M3 13L13 3"/>',
  close: '<path d="M4 4l8 8M12 4l-8 8"/>',
  warning: '<path d="M8 2.6l6 10.6H2z" stroke-linejoin="round"/><path d="M8 6.6v3.2M8 11.4v.2"/>',
  info: '<circle cx="8" cy="8" r="5.8"/><path d="M8 7.4v3.6M8 5v.2"/>',
  check: '<path d="M3.2 8.4l3.2 3.2 6.4-7"/>',
  more: '<path d="M8 3.6v.2M8 8v.2M8 12.4v.2" stroke-width="2"/>',
  link:
    '<path d="M6.7 9.3a2.6 2.6 0 0 0 3.7 0l2-2a2.6 2.6 0 0 0-3.7-3.7l-.7.7' +
    'M9.3 6.7a2.6 2.6 0 0 0-3.7 0l-2 2a2.6 2.6 0 0 0 3.7 3.7l.7-.7"/>',
  sort: '<path d="M5 6.2l3-3 3 3M5 9.8l3 3 3-3"/>',
};

/** An icon of 16 px that says nothing to a screen reader; the control around it carries the name. */
export function icon(name) {
  return trusted(
    `<svg class="icon" viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" ` +
      `stroke-width="1.5" stroke-linecap="round" aria-hidden="true" focusable="false">${SHAPES[name]}</svg>`,
  );
}

export const logo = trusted(
  '<svg class="logo" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true" focusable="false">' +
    '<rect width="32" height="32" rx="8" fill="#5b5bd6"/>' +
    '<path d="M9 25V7" stroke="#fff" stroke-width="2.4" stroke-linecap="round" opacity=".55"/>' +
    '<g fill="#fff"><rect x="13" y="6" width="11" height="5" rx="1.6"/>' +
    '<rect x="13" y="21" width="11" height="5" rx="1.6"/></g>' +
    '<rect x="14" y="14.5" width="9" height="3" rx="1.2" fill="none" stroke="#fff" stroke-width="1.6" ' +
    'stroke-dasharray="2.4 1.9"/></svg>',
);
