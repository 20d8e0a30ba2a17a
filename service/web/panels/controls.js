// What can be changed while a stream runs.

import { getJson, sendJson } from "/web/api.js";
import { choice, field } from "/web/dialog.js";
import { h, number, say } from "/web/dom.js";
import { attempt, tell } from "/web/notices.js";
import { pathOf } from "/web/stream_actions.js";

export const POLICIES = [
  ["drop_oldest", "Drop the oldest"],
  ["shed_steps", "Fewer, longer steps"],
  ["block", "Let the source wait"],
];
const SETTLE_MS = 120;

export class Controls {
  // onThreshold(value): at once, before the service knows.
  constructor(stream, onThreshold, onStop) {
    Object.assign(this, { stream, onThreshold });
    this.output = h("output", { class: "mono", id: "threshold-value" });
    this.threshold = h("input", { id: "threshold", type: "range", min: "0.05", max: "0.95", step: "0.01", oninput: () => this.slide() });
    this.model = h("select", { id: "model", onchange: () => this.change({ model: this.model.value }, "The source begins anew with this model.") });
    this.policy = choice(POLICIES, stream.policy, { id: "policy", onchange: () => this.change({ policy: this.policy.value }) });
    this.track = h("input", { type: "checkbox", id: "track", onchange: () => this.change({ track: this.track.checked }) });
    this.about = h("p", { class: "muted small", id: "about-model" });
    this.root = h(
      "section",
      { class: "card", "aria-label": "Detection" },
      h("h2", {}, "Detection"),
      h("label", { class: "slider", for: "threshold" }, h("span", {}, "Threshold ", this.output), this.threshold),
      h("div", { class: "row" }, field("Model", this.model), field("Under load", this.policy)),
      h("label", { class: "check" }, this.track, "Track objects"),
      this.about,
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", onclick: () => this.reset(), title: "The network forgets what it saw (r)" }, "Reset"),
        h("button", { type: "button", class: "danger", id: "stop-stream", onclick: onStop }, "Stop stream"),
      ),
    );
    this.showThreshold(stream.threshold);
    this.track.checked = stream.track !== false;
    this.listModels();
  }

  async listModels() {
    const answer = await attempt(() => getJson("/models"));
    const names = answer ? answer.models.map((model) => model.name) : [this.stream.model];
    this.model.replaceChildren(...names.map((name) => h("option", { value: name, selected: name === this.stream.model }, name)));
    this.model.disabled = names.length < 2;
  }

  hello(message) {
    this.stream.model = this.model.value = message.model;
    this.policy.value = message.policy;
    if ("track" in message) this.track.checked = message.track;
    say(this.about, `${message.classes.join(", ")}. ${message.steps} steps of ${message.step_us / 1000} ms, an answer every ${number((message.stride * message.step_us) / 1000)} ms.`);
    if (!this.sliding) this.showThreshold(message.threshold);
  }

  status(message) {
    if (!this.sliding) this.showThreshold(message.threshold);
  }

  showThreshold(value) {
    this.threshold.value = String(value);
    say(this.output, Number(value).toFixed(2));
  }

  slide() {
    const threshold = Number(this.threshold.value);
    say(this.output, threshold.toFixed(2));
    this.onThreshold(threshold);
    clearTimeout(this.sliding);
    this.sliding = setTimeout(async () => {
      await this.change({ threshold });
      this.sliding = null;
    }, SETTLE_MS);
  }

  async change(changes, words = null) {
    const changed = await attempt(() => sendJson("PATCH", pathOf(this.stream), changes));
    if (changed && words) tell(words);
    if (!changed) this.showAgain();
  }

  async showAgain() {
    const now = await getJson(pathOf(this.stream)).catch(() => null);
    if (!now) return;
    this.model.value = now.model;
    this.policy.value = now.policy;
    this.track.checked = now.track !== false;
  }

  reset() {
    return attempt(() => sendJson("POST", pathOf(this.stream, "/reset")));
  }

  close() {
    clearTimeout(this.sliding);
  }
}
