// Is the service there, what is it, and which routes does it have.

import { Problem } from "/web/api.js";

const CALM_MS = 10_000;
const URGENT_MS = 1_000;

// state: connecting (not asked yet), ready, starting (the worker warms up), refused (a token is wanted), lost
export const service = { state: "connecting", health: null, version: null, routes: new Set() };

const news = new EventTarget();
let timer = null;

export function onService(listener) {
  news.addEventListener("change", listener);
  return () => news.removeEventListener("change", listener);
}

// Whether `path`, written as in the API's own description ("/streams/{stream_id}/zones"), is served here.
export function has(path) {
  return service.routes.has(plain(path));
}

function plain(path) {
  return path.replace(/\{[^}]*\}/g, "{}");
}

export async function watchService() {
  clearTimeout(timer);
  const before = service.state;
  const response = await fetch("/health/ready").catch(() => null);
  service.health = response?.ok ? await response.json() : null;
  service.state = !response ? "lost" : response.ok ? "ready" : "starting";
  if (service.state === "ready" && !service.routes.size) await readRoutes();
  if (service.state !== before) news.dispatchEvent(new Event("change"));
  timer = setTimeout(watchService, service.state === "ready" ? CALM_MS : URGENT_MS);
}

async function readRoutes() {
  const response = await fetch("/openapi.json").catch(() => null);
  if (response?.status === 401 || response?.status === 403) service.state = "refused";
  if (!response?.ok) return;
  const about = await response.json();
  service.version = about.info.version;
  service.routes = new Set(Object.keys(about.paths).map(plain));
}

// Resolves once the service answers; the view that waits shows why.
export async function whenReady() {
  while (service.state !== "ready") {
    if (service.state === "refused") throw new Problem("This service wants a token", "Open /?access_token=TOKEN once in this browser.", 401);
    await new Promise((resolve) => news.addEventListener("change", resolve, { once: true }));
  }
}
