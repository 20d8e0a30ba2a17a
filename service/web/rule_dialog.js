// The editor of one alarm: on what, where, how often, and whom it tells.

import { getJson, sendJson } from "/web/api.js";
import { choice, dialog, field } from "/web/dialog.js";
import { h, icon, iconButton } from "/web/dom.js";
import { CONDITIONS } from "/web/rule_conditions.js";
import { pathOf } from "/web/stream_actions.js";
import { has } from "/web/service.js";

const NO_CLASSES = ["health", "link"]; // conditions that know no classes

// The alarm as the service keeps it, or null. known: the alarm to change, null for a new one.
export function editRule(known, streams, classes) {
  return dialog(known ? `Alarm ${known.name}` : "New alarm", (close) => new RuleForm(close, known, streams, classes).root, { wide: true });
}

class RuleForm {
  constructor(close, known, streams, classes) {
    Object.assign(this, { close, known, streams, classes });
    this.name = h("input", { id: "rule-name", required: true, maxlength: "100", value: known?.name ?? "" });
    this.stream = choice([["", "All streams"], ...streams.map((one) => [one.id, one.name])], this.streamId(), { id: "rule-stream", onchange: () => this.listZones() });
    this.on = choice(Object.entries(CONDITIONS).map(([on, { title }]) => [on, title]), known?.when.on ?? "zone", { id: "rule-on", onchange: () => this.showCondition({}) });
    this.fields = h("div", { class: "row" });
    this.classBoxes = h("fieldset", {}, h("legend", {}, "Classes (none: all)"), classes.map((name) => h("label", { class: "check" }, h("input", { type: "checkbox", value: name, checked: known?.classes.includes(name) }), name)));
    this.cooldown = h("input", { type: "number", id: "rule-cooldown", min: "0", max: "86400", step: "any", value: known?.cooldown_s ?? 10 });
    this.before = h("input", { type: "number", min: "0", max: "600", step: "any", placeholder: "no recording", value: known?.record?.before_s ?? "" });
    this.after = h("input", { type: "number", min: "0", max: "600", step: "any", placeholder: "no recording", value: known?.record?.after_s ?? "" });
    this.targets = h("ul", { class: "targets" });
    for (const target of known?.deliver ?? []) this.addTarget(target);
    this.problem = h("p", { class: "form-problem", role: "alert", hidden: true });
    this.submit = h("button", { type: "submit", class: "primary", id: "save-rule" }, known ? "Save" : "Add");
    this.zones = h("datalist", { id: "rule-zones" });
    this.root = this.build();
    this.showCondition(known?.when ?? {});
    this.listZones();
  }

  build() {
    return h(
      "form",
      { class: "form", onsubmit: (event) => this.send(event) },
      this.zones,
      h("div", { class: "row" }, field("Name", this.name), field("Stream", this.stream)),
      h("div", { class: "row" }, field("When", this.on)),
      this.fields,
      this.classBoxes,
      h("div", { class: "row" }, field("At most one every, s", this.cooldown), field("Record before, s", this.before), field("Record after, s", this.after)),
      h("h3", {}, "Tells"),
      this.targets,
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", onclick: () => this.addTarget({ kind: "webhook" }) }, icon("add"), "Webhook"),
        h("button", { type: "button", onclick: () => this.addTarget({ kind: "mqtt", qos: 1 }) }, icon("add"), "MQTT"),
      ),
      h("p", { class: "muted small" }, "Every alarm is also listed on this page and sent to those who watch the stream."),
      this.problem,
      h("div", { class: "dialog-foot" }, h("button", { type: "button", onclick: () => this.close() }, "Cancel"), this.submit),
    );
  }

  // An alarm may name its stream by name; the list goes by id.
  streamId() {
    const asked = this.known?.stream;
    return this.streams.find((one) => one.id === asked || one.name === asked)?.id ?? asked ?? "";
  }

  showCondition(when) {
    const { make } = CONDITIONS[this.on.value];
    this.inputs = make(when);
    this.fields.replaceChildren(...this.inputs.map(({ label, control }) => field(label, control)));
    this.classBoxes.hidden = NO_CLASSES.includes(this.on.value) || !this.classes.length;
  }

  // Names to choose from; any other may be written, for a zone that is drawn later.
  async listZones() {
    if (!has("/streams/{id}/zones")) return;
    const chosen = this.streams.filter((one) => !this.stream.value || one.id === this.stream.value);
    const lists = await Promise.all(chosen.map((one) => getJson(pathOf(one, "/zones")).catch(() => ({ zones: [] }))));
    const names = new Set(lists.flatMap(({ zones }) => zones.map((zone) => zone.name)));
    this.zones.replaceChildren(...[...names].map((name) => h("option", { value: name })));
  }

  addTarget(target) {
    const row = h("li", { dataset: { kind: target.kind, id: target.id ?? "" } });
    const input = (name, label, attributes = {}) => field(label, h("input", { name, autocomplete: "off", value: target[name] ?? "", ...attributes }));
    const kept = target.id ? "kept as it is" : "";
    const parts = target.kind === "webhook"
      ? [input("url", "Webhook", { type: "url", required: true, placeholder: "https://example.org/alarms" }), input("secret", "Secret that signs, 16 letters or more", { type: "password", value: "", placeholder: kept, minlength: "16", maxlength: "200", required: !target.id })]
      : [
          input("url", "MQTT broker", { required: true, placeholder: "mqtt://host:1883" }),
          input("topic", "Topic", { required: true, placeholder: "spikesight/alarms" }),
          field("QoS", choice([["0", "0"], ["1", "1"], ["2", "2"]], String(target.qos ?? 1), { name: "qos" })),
          input("username", "User", { placeholder: "none" }),
          input("password", "Password", { type: "password", value: "", placeholder: target.password ? kept : "none" }),
        ];
    row.append(h("div", { class: "row" }, parts), iconButton("close", "Remove this target", { onclick: () => row.remove() }));
    this.targets.append(row);
  }

  asked() {
    const asked = {
      name: this.name.value.trim(),
      stream: this.stream.value || null,
      when: { on: this.on.value, ...Object.fromEntries(this.inputs.map(({ name, read }) => [name, read()]).filter(([, value]) => value !== undefined)) },
      classes: this.classBoxes.hidden ? [] : [...this.classBoxes.querySelectorAll("input:checked")].map((one) => one.value),
      cooldown_s: Number(this.cooldown.value || 0),
      deliver: [...this.targets.children].map(readTarget),
      record: null,
    };
    if (this.before.value || this.after.value) asked.record = { before_s: Number(this.before.value || 0), after_s: Number(this.after.value || 0) };
    return asked;
  }

  async send(event) {
    event.preventDefault();
    this.problem.hidden = true;
    this.submit.disabled = true;
    try {
      this.close(await (this.known ? sendJson("PATCH", `/alarms/${this.known.id}`, this.asked()) : sendJson("POST", "/alarms", this.asked())));
    } catch (problem) {
      this.problem.textContent = [problem.title, problem.detail].filter(Boolean).join(": ");
      this.problem.hidden = false;
      this.submit.disabled = false;
    }
  }
}

function readTarget(row) {
  const target = { kind: row.dataset.kind };
  if (row.dataset.id) target.id = row.dataset.id;
  for (const input of row.querySelectorAll("input, select")) {
    if (input.value) target[input.name] = input.name === "qos" ? Number(input.value) : input.value;
  }
  return target;
}
