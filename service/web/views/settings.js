// What this browser is told to do, and what the service is.

import { getJson } from "/web/api.js";
import { choice, field } from "/web/dialog.js";
import { bytes, h, known, number, span, words } from "/web/dom.js";
import { prefs, remember } from "/web/prefs.js";
import { service } from "/web/service.js";

const EVERY_MS = 5000;
const THEMES = [["auto", "As the system"], ["dark", "Dark"], ["light", "Light"]];
const RATES = [["2", "2 a second"], ["5", "5 a second"], ["10", "10 a second"], ["30", "30 a second"]];

export function mount(root) {
  const view = new Settings(root);
  return { title: "Settings", close: () => view.close(), keys: {} };
}

class Settings {
  constructor(root) {
    this.health = h("dl", { class: "pairs", id: "health" });
    this.models = h("div", { class: "models" });
    this.queues = h("div", { class: "scroll" });
    root.append(
      h("div", { class: "toolbar" }, h("h1", {}, "Settings")),
      h(
        "div",
        { class: "columns" },
        this.page(),
        h("section", { class: "card", "aria-label": "Service" }, h("h2", {}, "Service"), this.health, this.links()),
        h("section", { class: "card wide", "aria-label": "Models" }, h("h2", {}, "Models"), this.models),
        h("section", { class: "card wide", "aria-label": "Queues" }, h("h2", {}, "Queues"), this.queues),
      ),
    );
    this.showModels();
    this.refresh();
  }

  page() {
    const theme = h(
      "div",
      { class: "segments", role: "group", "aria-label": "Theme" },
      THEMES.map(([value, text]) => h("button", { type: "button", dataset: { value }, "aria-pressed": String(prefs.theme === value), onclick: () => this.theme(theme, value) }, text)),
    );
    const rate = choice(RATES, String(prefs.wallRate), { id: "wall-rate", onchange: (event) => remember({ wallRate: Number(event.target.value) }) });
    const threshold = h("input", {
      type: "number", id: "default-threshold", min: "0.05", max: "0.95", step: "0.01", placeholder: "as the model's card says", value: prefs.threshold ?? "",
    });
    threshold.addEventListener("change", () => {
      if (threshold.reportValidity()) remember({ threshold: threshold.value ? Number(threshold.value) : null });
    });
    const box = (name, text) => h("label", { class: "check" }, h("input", { type: "checkbox", checked: prefs[name], onchange: (event) => remember({ [name]: event.target.checked }) }), text);
    return h(
      "section",
      { class: "card", "aria-label": "This page" },
      h("h2", {}, "This page"),
      h("div", { class: "field" }, h("span", {}, "Theme"), theme),
      h("div", { class: "stack" }, field("Pictures on the wall", rate, "Fewer cost less on a slow machine; boxes always come at the full rate."), field("Threshold of new streams", threshold)),
      h("div", { class: "stack" }, box("tails", "Tails of tracks"), box("scores", "Scores in labels"), box("zones", "Zones and lines"), box("demo", "Start the simulated street where nothing runs")),
      h("p", { class: "muted small" }, "Kept in this browser only."),
    );
  }

  theme(group, value) {
    remember({ theme: value });
    for (const button of group.children) button.setAttribute("aria-pressed", String(button.dataset.value === value));
  }

  links() {
    return h("div", { class: "row" }, h("a", { class: "button", href: "/docs" }, "API"), h("a", { class: "button", href: "/metrics" }, "Metrics"));
  }

  async refresh() {
    const [health, { streams }] = await Promise.all([getJson("/health/ready").catch(() => null), getJson("/streams").catch(() => ({ streams: [] }))]);
    if (this.closed) return;
    this.names = new Map(streams.map((stream) => [stream.id, stream.name]));
    this.showHealth(health ?? {}, health !== null);
    this.timer = setTimeout(() => this.refresh(), EVERY_MS);
  }

  showHealth(health, is_ready) {
    const worker = health.worker ?? {};
    const rows = [
      ["State", is_ready ? "ready" : "not ready"],
      ["Version", known(service.version, String)],
      ["Device", known(worker.device, String)],
      ["Engine", known(worker.engine, String)],
      ["Worker restarts", known(worker.restarts, number)],
      ["Problem", known(worker.problem, String, "none")],
      ["Streams", known(health.streams, number)],
      ["Uploads at work / waiting", known(health.uploads_running, (count) => `${count} / ${health.uploads_waiting}`)],
      ["Running for", known(health.uptime_s, span)],
      ...Object.entries(health).filter(([name]) => !KNOWN.has(name)).flatMap(([name, value]) => others(name, value)),
    ];
    this.health.replaceChildren(...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    this.showQueues(health.queues ?? []);
  }

  showQueues(queues) {
    if (!queues.length) {
      this.queues.replaceChildren(h("p", { class: "muted" }, "No stream is running."));
      return;
    }
    const head = ["Stream", "Under load", "Waiting", "Oldest", "Dropped"];
    this.queues.replaceChildren(h(
      "table",
      { class: "dense" },
      h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, queues.map((queue) => h("tr", {}, [this.names.get(queue.name) ?? queue.name, words(queue.policy), `${queue.depth} of ${queue.bound}`, `${number(queue.oldest_ms)} ms`, number(queue.dropped)].map((cell) => h("td", {}, cell))))),
    ));
  }

  async showModels() {
    const answer = await getJson("/models").catch(() => null);
    if (!answer || this.closed) return;
    this.models.replaceChildren(...answer.models.map((model) => this.card(model, answer)));
  }

  card(model, answer) {
    const rows = [
      ["Classes", model.classes.join(", ")],
      model.mode === "rolling"
        ? ["Answers", `every ${model.step_us / 1000} ms, from a state that lasts`]
        : ["Window", `${model.steps} steps of ${model.step_us / 1000} ms`],
      ["Grid", known(model.grid, ([width, height]) => `${width} × ${height} cells`)],
      ["Threshold, overlap", `${known(model.threshold, String)}, ${known(model.iou, String)}`],
      [`mAP50, ${known(model.metrics?.on, String)}`, known(model.metrics?.scores?.map50, (score) => number(score * 100, 1))],
      ["Licence", known(model.licence, String)],
    ];
    const uses = [model.name === answer.default && "recordings", model.name === answer.live_default && "live"];
    const tags = uses.filter(Boolean).map((use) => h("span", { class: "tag good" }, `default, ${use}`));
    const name = h("h3", {}, model.name, " ", tags);
    return h("article", {}, name, h("dl", { class: "pairs" }, rows.map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, value)))), model.good_for && h("p", { class: "muted" }, `Good for ${model.good_for}.`));
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }
}

const KNOWN = new Set(["ready", "worker", "streams", "queues", "uploads_running", "uploads_waiting", "uptime_s"]);

// What a newer service says beside that, flat.
function others(name, value) {
  if (value === null || typeof value !== "object") return [[words(name), String(value)]];
  return Object.entries(value)
    .filter(([, one]) => one === null || typeof one !== "object")
    .map(([key, one]) => [`${words(name)}: ${words(key)}`, /bytes$/.test(key) && typeof one === "number" ? bytes(one) : String(one)]);
}
