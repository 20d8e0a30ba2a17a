// The page's frame: which view an address shows, the state of the service, the keys of every view.

import { h, say } from "/web/dom.js";
import { showHelp } from "/web/help.js";
import { complain } from "/web/notices.js";
import { onPrefs, prefs } from "/web/prefs.js";
import { onService, service, watchService, whenReady } from "/web/service.js";
import * as alarms from "/web/views/alarms.js";
import * as history from "/web/views/history.js";
import * as recordings from "/web/views/recordings.js";
import * as settings from "/web/views/settings.js";
import * as stream from "/web/views/stream.js";
import * as wall from "/web/views/wall.js";
import { watchAlarms } from "/web/alarm_badge.js";

// A view: `mount(root, parameters)` fills `root` and gives `{title, close(), keys: {key: action}}`.
const VIEWS = [
  [/^\/?$/, "wall", wall],
  [/^\/stream\/([^/]+)$/, "wall", stream],
  [/^\/history(?:\/([^/]+))?$/, "history", history],
  [/^\/alarms$/, "alarms", alarms],
  [/^\/recordings(?:\/(clip|recording)\/([^/]+))?$/, "recordings", recordings],
  [/^\/settings$/, "settings", settings],
];
const SERVICE_WORDS = { connecting: "Connecting", ready: "Ready", starting: "Warming up", refused: "Token wanted", lost: "Unreachable" };

const main = document.getElementById("main");
let shown = null;
let asked = 0;

async function show() {
  const mine = ++asked;
  const path = location.hash.replace(/^#/, "");
  const found = VIEWS.map(([pattern, name, view]) => [pattern.exec(path), name, view]).find(([match]) => match);
  shown?.close();
  shown = null;
  for (const link of document.querySelectorAll(".nav a")) {
    if (link.dataset.view === found?.[1]) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (service.state !== "ready") {
    main.replaceChildren(waiting());
    try {
      await whenReady();
    } catch {
      main.replaceChildren(refused());
      return;
    }
    if (mine !== asked) return;
  }
  main.replaceChildren();
  main.dataset.view = found ? found[1] : "nothing";
  if (!found) {
    main.append(h("div", { class: "empty" }, h("h1", {}, "There is nothing here"), h("p", {}, `No view is called “${path}”.`), h("a", { class: "button", href: "#/" }, "All streams")));
    return;
  }
  const [match, , view] = found;
  shown = view.mount(main, match.slice(1).map((part) => part && decodeURIComponent(part)));
  document.title = shown.title ? `${shown.title} · Spikesight` : "Spikesight";
  window.scrollTo(0, 0);
}

function waiting() {
  const title = h("strong", {});
  const detail = h("p", {});
  const root = h("div", { class: "empty waiting", id: "waiting" }, h("div", { class: "spinner", "aria-hidden": "true" }), title, detail);
  const tell = () => {
    say(title, service.state === "starting" ? "The service is warming up" : service.state === "lost" ? "The service cannot be reached" : "Connecting");
    say(detail, service.state === "lost" ? "Check that it still runs; this page tries again every second." : "It answers as soon as its network has run once.");
  };
  tell();
  const stop = onService(() => (root.isConnected ? tell() : stop()));
  return root;
}

function refused() {
  const field = h("input", { type: "password", autocomplete: "off", "aria-label": "Token", placeholder: "Token" });
  const open = () => {
    if (field.value) location.assign(`/?access_token=${encodeURIComponent(field.value)}`);
  };
  field.addEventListener("keydown", (event) => event.key === "Enter" && open());
  return h(
    "div",
    { class: "empty" },
    h("h1", {}, "This service wants a token"),
    h("p", {}, "It was started with SPIKESIGHT_TOKEN. The token is kept in a cookie that no script can read."),
    h("div", { class: "row narrow" }, field, h("button", { type: "button", class: "primary", onclick: open }, "Open")),
  );
}

// ---------------------------------------------------------------- the state of the service

function tellService() {
  const pill = document.getElementById("service");
  pill.dataset.state = service.state;
  say(pill, SERVICE_WORDS[service.state]);
  const device = service.health?.worker?.device;
  pill.title = device ? `The network runs on ${device}` : "";
}

let wasLost = false;
onService(() => {
  tellService();
  if (service.state === "lost" && shown && !wasLost) {
    complain({ title: "The service cannot be reached", detail: "What is shown is old. The page tries again by itself." });
  }
  wasLost = service.state === "lost";
});

// ---------------------------------------------------------------- keys

// Keys belong to the view unless somebody types, or a dialog is open.
function isTyping(target) {
  return target.closest("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]") || isTyping(event.target)) return;
  // A focused control keeps the keys that work it.
  const works = event.target.closest("button, a, summary, input, [role=slider], [role=tab]") && [" ", "Enter"].includes(event.key);
  const slides = event.target.matches("input[type=range], [data-arrows]") && event.key.startsWith("Arrow");
  if (works || slides) return;
  const action = event.key === "?" ? showHelp : shown?.keys?.[event.key];
  if (!action) return;
  event.preventDefault();
  action(event);
});

document.getElementById("help").addEventListener("click", showHelp);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the view
  main.focus();
});

// ---------------------------------------------------------------- start

document.documentElement.dataset.theme = prefs.theme;
onPrefs((changes) => "wallRate" in changes && show());
window.addEventListener("hashchange", show);
tellService();
watchService();
watchAlarms(document.getElementById("alarm-badge"));
show();
