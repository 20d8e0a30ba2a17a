// Colours of labels in plots and lists: on paper-white ground they are darker than over events.

import { h } from "/web/dom.js";

const NAMED = { person: "person", car: "car", "two-wheeler": "two-wheeler" };
const OTHERS = 4;

// A CSS colour.
export function ink(label) {
  if (NAMED[label]) return `var(--label-${NAMED[label]})`;
  let sum = 0;
  for (const letter of label) sum += letter.charCodeAt(0);
  return `var(--label-other-${sum % OTHERS})`;
}

export function swatch(label) {
  return h("i", { class: "swatch", style: { background: ink(label) } });
}
