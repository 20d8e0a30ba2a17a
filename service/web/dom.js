// Elements without a framework, and how numbers and times are written.

const SVG = "http://www.w3.org/2000/svg";

// h("button", { class: "primary", onclick: f, "aria-label": "x" }, "text", child, null, [more])
export function h(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  // The page's policy forbids style attributes; the object model is allowed.
  else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
  else if (name === "value") element.value = value;
  else element.setAttribute(name, value === true ? "" : value);
}

export function icon(name) {
  return svg("svg", { class: "glyph", "aria-hidden": "true" }, svg("use", { href: `#icon-${name}` }));
}

export function iconButton(name, label, attributes = {}) {
  return h("button", { type: "button", class: "icon", "aria-label": label, title: attributes.title ?? label, ...attributes }, icon(name));
}

// True at most so often: figures that change with every answer cannot be read.
export function paced(ms = 250) {
  let last = -Infinity;
  return () => {
    const now = performance.now();
    if (now - last < ms) return false;
    last = now;
    return true;
  };
}

// Text that changes many times a second: the node is touched only where the text differs.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function number(value, digits = 0) {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function known(value, write, missing = "–") {
  return value === null || value === undefined || Number.isNaN(value) ? missing : write(value);
}

export function rate(eventsPerSecond) {
  if (eventsPerSecond >= 1e6) return `${number(eventsPerSecond / 1e6, 2)} Mev/s`;
  return `${number(eventsPerSecond / 1e3, 1)} kev/s`;
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = count;
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${number(value, unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

export function span(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${number(seconds, seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.round((seconds % 86400) / 3600)} h`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short" });

export function clock(date) {
  return CLOCK.format(date);
}

// "14:03:07" for today, "02 Mar 14:03:07" for other days.
export function moment(date) {
  const today = date.toDateString() === new Date().toDateString();
  return today ? CLOCK.format(date) : `${DAY.format(date)} ${CLOCK.format(date)}`;
}

export function words(name) {
  return name.replaceAll("_", " ");
}
