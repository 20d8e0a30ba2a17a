// "Add stream": what can be a source, and how each is written.

import { getJson, sendJson } from "/web/api.js";
import { choice, dialog, field } from "/web/dialog.js";
import { h, icon, words } from "/web/dom.js";
import { POLICIES } from "/web/panels/controls.js";
import { prefs } from "/web/prefs.js";
import { has } from "/web/service.js";

// id, name, what it is, the URI to begin with
const KINDS = [
  ["network", "Network camera", "A camera program that serves AEDAT4 over TCP, as DV does. The stream waits for it and comes back after every break.", "dv://192.168.1.20:7777"],
  ["usb", "USB camera", "An iniVation or Prophesee camera on this machine.", "usb://any"],
  ["udp", "UDP", "Event packets sent to a port of this machine; the sensor's size must be said.", "udp://:9999?width=640&height=480"],
  ["recording", "Recording", "A kept recording, played again and again as if it were live.", "recording://"],
  ["sim", "Simulator", "A simulated street: people, cars and two-wheelers before a moving camera. Any seed, day or night (night=1).", "sim://street?seed=1"],
];

// The stream that was added, or null.
export function addStream() {
  return dialog("Add a stream", (close) => new Form(close).root, { wide: true });
}

class Form {
  constructor(close) {
    this.close = close;
    this.source = h("input", { id: "source", required: true, spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
    this.name = h("input", { id: "stream-name", maxlength: "100", placeholder: "chosen for you" });
    this.model = h("select", { id: "stream-model" }, h("option", { value: "" }, "default"));
    this.policy = choice(POLICIES, "drop_oldest", { id: "stream-policy" });
    this.keep = h("input", { type: "checkbox", id: "stream-keep" });
    this.help = h("p", { class: "muted" });
    this.extra = h("div", { class: "source-extra" });
    this.problem = h("p", { class: "form-problem", role: "alert", hidden: true });
    this.submit = h("button", { type: "submit", class: "primary", id: "start-stream" }, "Start");
    this.kinds = h(
      "div",
      { class: "chips", role: "group", "aria-label": "Kind of source" },
      KINDS.map(([id, name]) => h("button", { type: "button", dataset: { kind: id }, "aria-pressed": "false", onclick: () => this.choose(id) }, name)),
    );
    this.root = h(
      "form",
      { class: "form", onsubmit: (event) => this.send(event) },
      this.kinds,
      this.help,
      this.extra,
      field("Source", this.source, "A URI; everything after ? are its settings."),
      h("div", { class: "row" }, field("Name", this.name), field("Model", this.model)),
      h("div", { class: "row" }, field("Under load", this.policy), h("label", { class: "check" }, this.keep, "Keep over restarts, also unwatched")),
      this.problem,
      h("div", { class: "dialog-foot" }, h("button", { type: "button", onclick: () => close() }, "Cancel"), this.submit),
    );
    this.choose("network");
    this.listModels();
  }

  async listModels() {
    const answer = await getJson("/models").catch(() => null);
    for (const model of answer?.models ?? []) this.model.append(h("option", { value: model.name }, model.name));
  }

  choose(id) {
    const [, , what, uri] = KINDS.find(([kind]) => kind === id);
    for (const button of this.kinds.children) button.setAttribute("aria-pressed", String(button.dataset.kind === id));
    this.help.textContent = what;
    this.source.value = uri;
    this.keep.checked = ["network", "usb", "udp"].includes(id);
    this.asked = (this.asked ?? 0) + 1;
    this.extra.replaceChildren();
    if (id === "usb") this.showCameras();
    if (id === "recording") this.showRecordings();
  }

  // Rows to pick a source from; nothing where the service has no such list.
  async pick(ask, rows, none) {
    const asked = (this.asked = (this.asked ?? 0) + 1); // another kind may be chosen while a list is on its way
    this.extra.replaceChildren(h("p", { class: "muted" }, "Looking …"));
    try {
      const found = rows(await ask());
      if (asked !== this.asked) return;
      this.extra.replaceChildren(found.length ? h("ul", { class: "picks" }, found) : h("p", { class: "muted" }, none()));
    } catch (problem) {
      if (asked !== this.asked) return;
      this.extra.replaceChildren(h("p", { class: "form-problem" }, `${problem.title}. ${problem.detail}`));
    }
  }

  row(glyph, text, note, uri, name, problem = "") {
    const use = h("button", { type: "button", disabled: !uri, onclick: () => this.use(uri, name) }, "Use");
    return h("li", {}, icon(glyph), h("div", {}, h("b", {}, text), h("small", {}, note), problem && h("small", { class: "warn-text" }, problem)), use);
  }

  use(uri, name) {
    this.source.value = uri;
    if (!this.name.value) this.name.value = name;
  }

  showCameras() {
    if (!has("/cameras")) return;
    let advice = "";
    const row = (one) => this.row(
      "camera",
      one.name,
      [one.serial, one.speed_mbps && `${one.speed_mbps} Mbit/s`, words(one.state)].filter(Boolean).join(" · "),
      one.state === "ready" ? one.uri : null,
      [one.name, one.serial].filter(Boolean).join(" "),
      [one.detail, one.advice].filter(Boolean).join(". "),
    );
    this.pick(
      async () => {
        const answer = await getJson("/cameras");
        advice = answer.advice;
        return answer;
      },
      (answer) => answer.cameras.map(row),
      () => advice || "No camera is plugged in.",
    );
  }

  showRecordings() {
    this.pick(
      () => getJson("/recordings"),
      (answer) => answer.recordings.map((one) => this.row("recordings", one.name, `${one.format}, ${one.width} × ${one.height}`, `recording://${one.id}?speed=1&loop=1`, one.name)),
      () => "No recording is kept yet. Upload one under Recordings.",
    );
  }

  async send(event) {
    event.preventDefault();
    this.problem.hidden = true;
    this.submit.disabled = true;
    const asked = { source: this.source.value.trim(), policy: this.policy.value, keep: this.keep.checked };
    if (this.name.value.trim()) asked.name = this.name.value.trim();
    if (this.model.value) asked.model = this.model.value;
    if (prefs.threshold !== null) asked.threshold = prefs.threshold;
    try {
      this.close(await sendJson("POST", "/streams", asked));
    } catch (problem) {
      this.problem.textContent = [problem.title, problem.detail].filter(Boolean).join(": ");
      this.problem.hidden = false;
      this.submit.disabled = false;
    }
  }
}
