// Recording a stream, and its last clips.

import { getJson, sendJson, withQuery } from "/web/api.js";
import { field } from "/web/dialog.js";
import { bytes, h, icon, moment, number, say, span } from "/web/dom.js";
import { attempt } from "/web/notices.js";
import { pathOf } from "/web/stream_actions.js";

const MOST = 3;

// One line on how a clip does.
export function clipWords(clip) {
  if (clip.state === "recording") return `recording, ${Math.round(clip.progress * 100)} %`;
  if (clip.state === "failed") return `failed: ${clip.note ?? "nobody knows why"}`;
  const lost = clip.lost_events ? `, ${number(clip.lost_events)} events too fast` : "";
  return `${span(clip.duration_us / 1e6)}, ${bytes(clip.size_bytes + clip.boxes_bytes)}${lost}${clip.note ? `, ${clip.note}` : ""}`;
}

export class Clips {
  constructor(stream) {
    this.stream = stream;
    this.clips = new Map();
    this.before = h("input", { type: "number", min: "0", step: "any", value: "5", id: "record-before" });
    this.after = h("input", { type: "number", min: "0", step: "any", value: "10", id: "record-after" });
    this.list = h("ul", { class: "clips" });
    this.root = h(
      "section",
      { class: "card", id: "clips", "aria-label": "Record" },
      h("div", { class: "card-head" }, h("h2", {}, "Record"), h("a", { class: "muted small", href: "#/recordings" }, "Recordings")),
      h("div", { class: "row" }, field("Seconds before now", this.before), field("from now on", this.after), h("button", { type: "button", id: "record", onclick: () => this.record() }, icon("record"), "Record")),
      this.list,
    );
    this.load();
  }

  async load() {
    const answer = await attempt(() => getJson(withQuery("/clips", { stream: this.stream.id })));
    for (const clip of answer?.clips.slice(0, MOST) ?? []) this.clips.set(clip.id, clip);
    this.show();
  }

  async record() {
    const asked = { before_s: Number(this.before.value || 0), after_s: Number(this.after.value || 0) };
    const clip = await attempt(() => sendJson("POST", pathOf(this.stream, "/recordings"), asked));
    if (clip) this.changed(clip);
  }

  // A message `clip` of the stream.
  changed(clip) {
    this.clips.set(clip.id, clip);
    this.show();
  }

  show() {
    const newest = [...this.clips.values()].sort((one, other) => other.created.localeCompare(one.created)).slice(0, MOST);
    const rows = new Map([...this.list.children].map((row) => [row.dataset.clip, row]));
    this.list.replaceChildren(...newest.map((clip) => this.fill(rows.get(clip.id) ?? this.row(clip), clip)));
  }

  row(clip) {
    const stop = h("button", { type: "button", onclick: () => attempt(() => sendJson("POST", `/clips/${clip.id}/stop`)) }, "Stop");
    return h("li", { dataset: { clip: clip.id } }, h("div", {}, h("b", {}, moment(new Date(clip.created))), h("small", { class: "muted" })), stop, h("a", { class: "button", href: `#/recordings/clip/${clip.id}` }, "Open"));
  }

  fill(row, clip) {
    const [words, stop, open] = row.children;
    row.dataset.state = clip.state;
    say(words.lastChild, clipWords(clip));
    stop.hidden = clip.state !== "recording";
    open.hidden = clip.state !== "done";
    return row;
  }
}
