// What happened on a stream, newest first: zones, alarms, links, resets, errors.

import { clock, h, words } from "/web/dom.js";
import { sentence } from "/web/happenings.js";
import { LINK_WORDS } from "/web/streams.js";

const MOST = 200;
const TONES = { connecting: "warn", stalled: "warn", lost: "bad", live: "good", ended: "" };

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
    this.add("", message.name, sentence(message, false));
    this.onZone(message.zone);
  }

  alarm(message) {
    if (message.acknowledged) this.add("good", `Alarm: ${message.name}`, "acknowledged");
    else this.add("bad", `Alarm: ${message.name}`, sentence(message, false));
  }

  sensor(message) {
    this.add(message.level === "warn" ? "warn" : "good", `Sensor: ${words(message.topic)}`, sentence(message, false));
  }

  reset(message) {
    this.add("warn", "Reset", sentence(message));
  }

  error(message) {
    this.add("bad", words(message.code ?? "error"), message.message);
  }
}
