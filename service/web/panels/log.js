// What happened on a stream, newest first: zones, alarms, links, resets, errors.

import { clock, h, number, words } from "/web/dom.js";
import { LINK_WORDS } from "/web/streams.js";

const MOST = 200;
const TONES = { connecting: "warn", stalled: "warn", lost: "bad", live: "good", ended: "" };
const PASSED = { enter: "entered", leave: "left", dwell: "stays in", cross: "crossed" };

export class Log {
  // onZone(id): a zone said something.
  constructor(onZone = () => {}) {
    this.onZone = onZone;
    this.list = h("ol", { class: "log", "aria-label": "Events of this stream", tabindex: "0" });
    this.empty = h("p", { class: "muted" }, "Nothing has happened since this view was opened.");
    this.root = h("section", { class: "card", id: "log" }, h("h2", {}, "Log"), this.empty, this.list);
    this.link_state = null;
  }

  add(tone, title, text = "") {
    this.empty.hidden = true;
    this.list.prepend(h("li", { class: tone }, h("time", {}, clock(new Date())), h("b", {}, title), h("span", {}, text)));
    while (this.list.children.length > MOST) this.list.lastChild.remove();
  }

  state(state, detail) {
    if (state === this.link_state) return;
    this.link_state = state;
    this.add(TONES[state] ?? "", LINK_WORDS[state] ?? state, detail);
  }

  zone(message) {
    const way = message.direction ? ` ${message.direction}` : "";
    const stay = message.dwell_s === null || message.dwell_s === undefined ? "" : ` after ${number(message.dwell_s, 1)} s`;
    const why = ["moved", undefined].includes(message.reason) ? "" : ` (${message.reason})`;
    this.add("", message.name, `${message.label} #${message.track_id} ${PASSED[message.event] ?? message.event}${way}${stay}${why}`);
    this.onZone(message.zone);
  }

  alarm(message) {
    if (message.acknowledged) this.add("good", `Alarm: ${message.name}`, "acknowledged");
    else this.add("bad", `Alarm: ${message.name}`, message.what);
  }

  sensor(message) {
    this.add(message.level === "warn" ? "warn" : "good", `Sensor: ${words(message.topic)}`, message.words);
  }

  reset(message) {
    this.add("warn", "Reset", `The network began anew: ${words(message.reason)}`);
  }

  error(message) {
    this.add("bad", words(message.code ?? "error"), message.message);
  }
}
