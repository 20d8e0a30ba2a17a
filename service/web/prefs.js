// What this browser remembers of the person at the page; nothing of it leaves the browser.

const KEY = "spikesight";
const DEFAULTS = {
  theme: "auto", // auto, dark, light
  wallRate: 10, // pictures a second on each tile of the wall
  tile: "medium", // small, medium, large
  scores: true, // scores in the boxes' labels
  tails: true,
  zones: true,
  threshold: null, // of streams that this page starts; null: as the model's card says
  demo: true, // start the simulated street where nothing runs
};

export const prefs = { ...DEFAULTS, ...kept() };
const listeners = new Set();

function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return Object.fromEntries(Object.entries(found).filter(([name]) => name in DEFAULTS));
  } catch {
    return {};
  }
}

export function remember(changes) {
  Object.assign(prefs, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs));
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  if ("theme" in changes) document.documentElement.dataset.theme = prefs.theme;
  for (const listener of listeners) listener(changes);
}

// Returns what ends it.
export function onPrefs(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
