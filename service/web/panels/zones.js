// Zones and lines of a stream: their counts, and what draws and changes them.

import { getJson, sendJson } from "/web/api.js";
import { confirmed, field, choice } from "/web/dialog.js";
import { h, icon, known, number, say } from "/web/dom.js";
import { swatch } from "/web/labels.js";
import { attempt } from "/web/notices.js";
import { pathOf } from "/web/stream_actions.js";
import { ZoneEditor } from "/web/zone_editor.js";

const total = (counts) => Object.values(counts ?? {}).reduce((sum, count) => sum + count, 0);

export class Zones {
  // onMode(mode): the toolbar shows what is being done.
  constructor(stream, stage, onMode) {
    Object.assign(this, { stream, stage, onMode });
    this.zones = [];
    this.classes = [];
    this.editor = new ZoneEditor(stage, {
      drawn: (kind, points) => this.create(kind, points),
      moved: (zone, points) => this.change(zone, { points }),
      chosen: (zone) => this.edit(zone),
      mode: (mode) => this.showMode(mode),
    });
    this.list = h("ul", { class: "zones" });
    this.empty = h("p", { class: "muted" }, "None yet. Draw an area to count who is in it, or a line to count who crosses it.");
    this.form = h("div", { class: "zone-form", hidden: true });
    this.buttons = h(
      "div",
      { class: "row" },
      h("button", { type: "button", id: "draw-zone", onclick: () => this.draw("zone"), title: "Draw a zone (z)" }, icon("zone"), "Zone"),
      h("button", { type: "button", id: "draw-line", onclick: () => this.draw("line"), title: "Draw a line (l)" }, icon("line"), "Line"),
    );
    this.root = h(
      "section",
      { class: "card", id: "zones", "aria-label": "Zones and lines" },
      h("h2", {}, "Zones and lines"),
      this.empty,
      this.list,
      this.form,
      this.buttons,
    );
    this.bar = this.makeBar();
    this.load();
  }

  // Above the picture while something is drawn, where a thumb finds it.
  makeBar() {
    this.words = h("span", {});
    this.done = h("button", { type: "button", class: "primary", id: "zone-done", onclick: () => this.editor.finish() }, "Done");
    this.back = h("button", { type: "button", onclick: () => this.editor.undo() }, "Undo");
    const cancel = h("button", { type: "button", id: "zone-cancel", onclick: () => this.editor.cancel() }, "Cancel");
    return h("div", { class: "drawing-bar", hidden: true, role: "toolbar", "aria-label": "Drawing" }, this.words, this.back, this.done, cancel);
  }

  async load() {
    const answer = await attempt(() => getJson(pathOf(this.stream, "/zones")));
    if (answer) this.take(answer.zones);
  }

  take(zones) {
    this.zones = zones;
    this.editor.show(zones);
    this.show();
  }

  // ---------------------------------------------------------------- messages of the stream

  hello(message) {
    this.classes = message.classes;
  }

  zonesChanged(message) {
    this.take(message.zones);
  }

  // A status brings counts alone, a list as above brings zones whole.
  status(message) {
    if (!Array.isArray(message.zones)) return;
    const counts = new Map(message.zones.map((one) => [one.id ?? one.zone, one]));
    for (const zone of this.zones) {
      const now = counts.get(zone.id);
      if (now) Object.assign(zone, { counts: now.counts ?? now, problem: now.problem ?? zone.problem });
    }
    this.show();
  }

  flash(id) {
    this.editor.flash(id);
  }

  // ---------------------------------------------------------------- the list

  show() {
    this.empty.hidden = this.zones.length > 0;
    const rows = new Map([...this.list.children].map((row) => [row.dataset.zone, row]));
    const kept = this.zones.map((zone) => this.fill(rows.get(zone.id) ?? this.row(zone), zone));
    const same = kept.length === this.list.children.length && kept.every((row, at) => row === this.list.children[at]);
    if (!same) this.list.replaceChildren(...kept);
    this.editor.note(new Map(this.zones.map((zone) => [zone.id, note(zone)])));
  }

  row(zone) {
    const open = h("button", { type: "button", class: "link", onclick: () => this.editor.choose(this.editor.chosen === zone.id ? null : zone.id) });
    return h("li", { dataset: { zone: zone.id } }, h("div", { class: "zone-head" }, icon(zone.kind), open), h("dl", { class: "zone-counts" }), h("p", { class: "warn-text", hidden: true }));
  }

  fill(row, zone) {
    const [head, counts, problem] = row.children;
    say(head.querySelector("button"), zone.name);
    head.querySelector("button").setAttribute("aria-expanded", String(this.editor.chosen === zone.id));
    row.classList.toggle("chosen", this.editor.chosen === zone.id);
    const words = JSON.stringify(zone.counts ?? null);
    if (row.dataset.counts !== words) {
      row.dataset.counts = words;
      counts.replaceChildren(...figures(zone));
    }
    problem.hidden = !zone.problem;
    say(problem, zone.problem ?? "");
    return row;
  }

  // ---------------------------------------------------------------- drawing and changing

  draw(kind) {
    this.editor.hide(false);
    if (this.editor.mode === kind) this.editor.cancel();
    else this.editor.draw(kind);
  }

  showMode(mode) {
    const drawing = mode === "zone" || mode === "line";
    this.bar.hidden = mode === "view";
    this.done.hidden = !drawing || !this.editor.canFinish;
    this.back.hidden = !drawing || !this.editor.points.length;
    const begun = this.editor.points.length > 0;
    say(this.words, {
      zone: begun ? "Tap the next corner, or Done" : "Tap the corners, or drag a rectangle",
      line: begun ? "Tap the end" : "Drag the line, or tap its two ends",
      edit: "Drag points or the whole",
      view: "",
    }[mode]);
    this.bar.lastChild.textContent = mode === "edit" ? "Close" : "Cancel";
    this.onMode(mode);
    this.show();
  }

  async create(kind, points) {
    const taken = new Set(this.zones.map((zone) => zone.name));
    const noun = kind === "zone" ? "Zone" : "Line";
    let at = 1;
    while (taken.has(`${noun} ${at}`)) at += 1;
    const zone = await attempt(() => sendJson("POST", pathOf(this.stream, "/zones"), { kind, name: `${noun} ${at}`, points }));
    if (!zone) return;
    if (!this.zones.some((one) => one.id === zone.id)) this.take([...this.zones, zone]);
    this.editor.choose(zone.id);
  }

  async change(zone, changes) {
    const changed = await attempt(() => sendJson("PATCH", pathOf(this.stream, `/zones/${zone.id}`), changes));
    if (!changed) await this.load(); // refused: what the service has is shown again
    else this.take(this.zones.map((one) => (one.id === changed.id ? changed : one)));
  }

  async remove(zone) {
    if (!(await confirmed(`Delete ${zone.name}?`, "Its counts go with it.", "Delete"))) return;
    await attempt(() => sendJson("DELETE", pathOf(this.stream, `/zones/${zone.id}`)));
    this.editor.choose(null);
    await this.load();
  }

  edit(zone) {
    this.form.hidden = !zone;
    this.form.replaceChildren(...(zone ? this.fields(zone) : []));
    this.show();
  }

  fields(zone) {
    const send = (make) => (event) => this.change(zone, make(event.target));
    const name = h("input", { value: zone.name, maxlength: "100", id: "zone-name", onchange: send((one) => ({ name: one.value })) });
    const anchor = choice([["bottom", "its feet"], ["centre", "its centre"]], zone.anchor, { onchange: send((one) => ({ anchor: one.value })) });
    const dwell = h("input", {
      type: "number", min: "0.1", step: "0.1", placeholder: "never", value: zone.dwell_s ?? "", onchange: send((one) => ({ dwell_s: one.value ? Number(one.value) : null })),
    });
    return [
      field("Name", name),
      h("div", { class: "row" }, field("An object is where", anchor), zone.kind === "zone" && field("Tell of stays over, s", dwell)),
      this.classes.length > 1 && h("fieldset", {}, h("legend", {}, "Counted classes"), this.classes.map((label) => this.classBox(zone, label))),
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", onclick: () => this.editor.choose(null) }, "Close"),
        h("button", { type: "button", class: "danger", id: "delete-zone", onclick: () => this.remove(zone) }, "Delete"),
      ),
    ].filter(Boolean);
  }

  classBox(zone, label) {
    const counted = !zone.classes?.length || zone.classes.includes(label);
    const box = h("input", { type: "checkbox", checked: counted, value: label });
    box.addEventListener("change", () => {
      const chosen = [...this.form.querySelectorAll("fieldset input:checked")].map((one) => one.value);
      if (chosen.length) this.change(zone, { classes: chosen.length === this.classes.length ? [] : chosen });
      else box.checked = true; // a zone that counts nothing is no zone
    });
    return h("label", { class: "check" }, box, swatch(label), label);
  }

  close() {
    this.editor.close();
  }
}

// Beside the name on the picture.
function note(zone) {
  if (!zone.counts) return "";
  return zone.kind === "zone" ? `${total(zone.counts.inside)}` : `${total(zone.counts.forward)} →  ← ${total(zone.counts.backward)}`;
}

function figures(zone) {
  const counts = zone.counts ?? {};
  const rows = zone.kind === "zone"
    ? [["inside", counts.inside], ["entered", counts.entered], ["left", counts.left]]
    : [["forward", counts.forward], ["backward", counts.backward]];
  const cells = rows.map(([name, byClass]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(total(byClass)), h("small", {}, classesOf(byClass)))));
  if (zone.kind === "zone") cells.push(h("div", {}, h("dt", {}, "mean stay"), h("dd", {}, known(counts.dwell_s?.mean, (s) => `${number(s, 1)} s`))));
  return cells;
}

function classesOf(counts) {
  return Object.entries(counts ?? {}).filter(([, count]) => count).map(([label, count]) => `${count} ${label}`).join(", ");
}
